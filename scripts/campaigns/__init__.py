"""Benchmarks and fault and attack campaigns: each is a command that measures something and says whether it reaches its target."""
