"""The camera's decisions: pure, values in and values out."""
