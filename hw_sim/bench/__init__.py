"""The bench: plays a recording from lens to verdict. The composition root, and the only place that may import all."""
