"""Adapters that station and central share: one library a file, no decisions."""
