"""Names of the models beside the forecaster, in tables."""

LAST, NAIVE, SMOOTHING, THETA = "Naive", "NaiveSeasonal", "ExponentialSmoothing", "Theta"
DLINEAR, NLINEAR = "DLinearModel", "NLinearModel"
ENSEMBLE = "RegressionEnsemble"

BESIDE = (LAST, NAIVE, SMOOTHING, THETA, DLINEAR, NLINEAR)
"""All but the ensemble."""
