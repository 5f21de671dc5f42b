"""How a model forecasts, and from which windows."""
