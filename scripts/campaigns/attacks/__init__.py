"""Attacks on evidence as data: what each does, which finding must name it, and where."""
