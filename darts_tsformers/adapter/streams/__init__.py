"""A fitted model that follows one series, row by row."""
