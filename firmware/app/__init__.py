"""The loops that ask the core what to do, do it, and tell the core what happened."""
