"""Names of the models beside the forecaster, in tables."""

NAIVE, SMOOTHING, ENSEMBLE = "NaiveSeasonal", "ExponentialSmoothing", "RegressionEnsemble"
