"""The station's decisions: pure, values in and values out."""
