"""Simulated hardware, and the bench that plays the whole chain on it. Never imported by production code."""
