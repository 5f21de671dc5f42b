"""Layers that work on frequencies, or on the levels of a wavelet tree."""
