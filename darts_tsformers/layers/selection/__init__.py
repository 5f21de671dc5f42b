"""Layers that weigh variables against each other."""
