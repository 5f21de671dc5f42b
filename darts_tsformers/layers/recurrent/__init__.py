"""Layers that carry a state from step to step."""
