"""Latency and memory, measured by one contract for all methods."""
