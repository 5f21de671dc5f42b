"""A regression that combines the forecasts of several models."""

from collections.abc import Mapping, Sequence

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from sklearn.linear_model import LinearRegression

from darts_tsformers.workflow.names import ENSEMBLE

SUM_COUNTS = 1e3
"""How much more than all errors a sum of weights other than 1 counts, before it is made 1."""

STRENGTH = 3.0
"""How much weights that differ count beside errors, where there is one window."""

SMALLEST = 0.05
"""A model of less weight is left out: it would cost more time than it gains."""


class RegressionEnsemble:
    r"""One weight for each model, none below zero, that add up to 1: :math:`\hat y = \sum_m w_m \hat y_m`.

    Darts' ``RegressionEnsembleModel`` trains its members anew for each window. This one takes forecasts its members
    have made, and learns the weights on windows that none of them was fitted on. The components are pooled: their
    scaled values weigh alike, and few windows are enough. There is no intercept, and a forecast lies between those of
    its members. Weights below 0.05 become zero.

    The weights minimise :math:`\overline{(y - \hat y)^2} / s^2 + 3 \sum_m (w_m - 1/M)^2 / W^2`, with :math:`s` the
    lowest mean absolute error of any of the :math:`M` members and :math:`W` the number of windows: of one window little
    can be learnt, and the mean of all members is hard to beat.

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
        windows = forecasts[members[0]]
        truth = self._values([target.slice_intersect(window) for window in windows])
        observed = ~np.isnan(truth)
        features = np.stack([self._values(forecasts[member])[observed] for member in members], axis=1)
        found = _solved(features, truth[observed], STRENGTH / len(windows) ** 2)
        found[found < SMALLEST] = 0
        self.weights = dict(zip(members, (found / found.sum()).tolist(), strict=True))
        return self

    def combine(self, forecasts: Mapping[str, TimeSeries]) -> TimeSeries:
        """Weigh the forecasts of one window; those without a weight need not be there."""
        used = used_of(self.weights)
        scaled = sum(self.weights[member] * self._values([forecasts[member]]) for member in used)
        like = forecasts[used[0]]
        values = np.reshape(scaled, like.values(copy=False).shape).astype(like.dtype)
        return self.scaler.inverse_transform(like.with_values(values))

    def _values(self, series: Sequence[TimeSeries]) -> np.ndarray:
        return np.concatenate([self.scaler.transform(one).values(copy=False).ravel() for one in series]).astype(float)


def _solved(features: np.ndarray, truth: np.ndarray, strength: float) -> np.ndarray:
    """Solve for the weights of columns by least squares, with rows that draw them to each other and to a sum of 1."""
    errors = np.abs(truth[:, None] - features)
    unit = (errors.mean(axis=0).min() or errors.mean()) * np.sqrt(len(truth)) if errors.any() else 1.0
    ridge = np.sqrt(strength) * np.eye(features.shape[1])
    rows = np.concatenate([features / unit, ridge])
    heavy = SUM_COUNTS * np.linalg.norm(rows)
    wanted = np.concatenate([truth / unit, ridge.mean(axis=1)])
    solver = LinearRegression(fit_intercept=False, positive=True)
    found = solver.fit(np.vstack([rows, np.full(features.shape[1], heavy)]), np.append(wanted, heavy)).coef_
    return found / found.sum()


def used_of(weights: Mapping[str, float]) -> list[str]:
    """Name the models that have a weight."""
    return [member for member, weight in weights.items() if weight != 0]


def members_of(weights: Mapping[str, float]) -> list[str]:
    """Name the models of a mix, the heaviest first; none where one has all the weight."""
    used = sorted(used_of(weights), key=lambda member: -weights[member])
    return used if len(used) > 1 else []


def best_of(weights: Mapping[str, float]) -> str:
    """Name the model with all the weight, or else the ensemble."""
    used = used_of(weights)
    return ENSEMBLE if len(used) > 1 else used[0]
