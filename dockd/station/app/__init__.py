"""The station's loops, which ask the core what to do, do it, and tell the core what happened."""
