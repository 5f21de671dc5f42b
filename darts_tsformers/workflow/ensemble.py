"""A regression that combines the forecasts of several models."""

from collections.abc import Mapping, Sequence

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from sklearn.linear_model import LinearRegression

SUM_COUNTS = 1e3
"""How much more than all errors a sum of weights other than 1 counts, before it is made 1."""


class RegressionEnsemble:
    r"""One weight for each model, none below zero, that add up to 1: :math:`\hat y = \sum_m w_m \hat y_m`.

    Darts' ``RegressionEnsembleModel`` trains its members anew for each window. This one takes forecasts its members
    have made, and learns the weights on windows that none of them was fitted on. The components are pooled: their
    scaled values weigh alike, and few windows are enough. There is no intercept, and a forecast lies between those of
    its members. A ridge of :math:`\sum_m (w_m - 1/M)^2` draws the weights to the mean of all :math:`M` models where
    windows are very few.

    Parameters
    ----------
    scaler
        Scaler of the target.
    weights
        By the name of the model, if they are known; else :meth:`fit` learns them.
    """

    def __init__(self, scaler: Scaler, weights: Mapping[str, float] | None = None) -> None:
        self.scaler = scaler
        self.weights = dict(weights or {})

    def fit(self, forecasts: Mapping[str, Sequence[TimeSeries]], target: TimeSeries) -> "RegressionEnsemble":
        """Learn the weights.

        Parameters
        ----------
        forecasts
            Forecasts of the same windows, by the name of the model.
        target
            A series that covers the windows; its gaps are left out.
        """
        members = list(forecasts)
        truth = [target.slice_intersect(window) for window in forecasts[members[0]]]
        scaled_truth = self._values(truth)
        observed = ~np.isnan(scaled_truth)
        features = np.stack([self._values(forecasts[member])[observed] for member in members], axis=1)
        ridge = np.eye(len(members))
        rows, wanted = np.concatenate([features, ridge]), np.concatenate([scaled_truth[observed], ridge.mean(axis=1)])
        heavy = SUM_COUNTS * np.linalg.norm(rows)
        found = (
            LinearRegression(fit_intercept=False, positive=True)
            .fit(np.vstack([rows, np.full(len(members), heavy)]), np.append(wanted, heavy))
            .coef_
        )
        self.weights = dict(zip(members, (found / found.sum()).tolist(), strict=True))
        return self

    def combine(self, forecasts: Mapping[str, TimeSeries]) -> TimeSeries:
        """Weigh the forecasts of one window."""
        scaled = sum(weight * self._values([forecasts[member]]) for member, weight in self.weights.items())
        like = next(iter(forecasts.values()))
        values = np.reshape(scaled, like.values(copy=False).shape).astype(like.dtype)
        return self.scaler.inverse_transform(like.with_values(values))

    def _values(self, series: Sequence[TimeSeries]) -> np.ndarray:
        return np.concatenate([self.scaler.transform(one).values(copy=False).ravel() for one in series]).astype(float)
