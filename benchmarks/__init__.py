"""Measurements behind the figures in notes and README; nothing here is run by the tests."""
