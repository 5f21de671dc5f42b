"""Benchmarks of time and memory, one subject a file; each has a list ``BENCHMARKS``."""
