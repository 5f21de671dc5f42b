"""Benchmarks of accuracy, one subject a file; each has a list ``BENCHMARKS``."""
