"""Efficient transformers for time series as Darts forecasting models."""

__version__ = "0.1.0.dev0"
