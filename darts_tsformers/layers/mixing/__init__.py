"""Mixing along one axis at a time, by maps that are the same wherever they act."""
