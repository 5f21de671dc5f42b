"""Names of the models beside the forecaster, in tables."""

LAST, NAIVE, SMOOTHING, THETA = "Naive", "NaiveSeasonal", "ExponentialSmoothing", "Theta"
DLINEAR, NLINEAR = "DLinearModel", "NLinearModel"
ENSEMBLE = "RegressionEnsemble"

BESIDE = (LAST, NAIVE, SMOOTHING, THETA, DLINEAR, NLINEAR)
"""All but the ensemble."""

MIXED = (SMOOTHING, THETA, NLINEAR)
"""What the ensemble mixes with a forecaster: models that are good on short series, and err in different ways."""
