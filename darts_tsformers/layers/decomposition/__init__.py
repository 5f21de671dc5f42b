"""Layers that take a series apart into trend and remainder."""
