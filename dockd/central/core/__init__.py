"""The central's decisions: pure, values in and values out."""
