"""One forecasting window on its way in and out of a network."""

from darts_tsformers.window.window import Sizes, Window

__all__ = ["Sizes", "Window"]
