"""Standard scores of everything a model sees, by the training rows alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from sklearn.preprocessing import StandardScaler

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.table import Table


@dataclass(frozen=True)
class Scalers:
    """One fitted scaler for each kind of series in a table."""

    target: Scaler
    past_covariates: Scaler | None
    future_covariates: Scaler | None

    @classmethod
    def fit(cls, table: Table, n_train: int) -> "Scalers":
        """Fit on the first ``n_train`` rows."""
        train = table.target[:n_train]

        def fitted(series: TimeSeries | None) -> Scaler | None:
            return None if series is None else Scaler(StandardScaler()).fit(series.slice_intersect(train))

        target = Scaler(StandardScaler()).fit(train)
        return cls(target, fitted(table.past_covariates), fitted(table.future_covariates))

    def figures(self, **n_components: int) -> dict[str, dict[str, list[float]] | None]:
        """Return mean and scale of each column, by the kind of series; None for a kind that there is not."""
        scalers = vars(self).items()
        return {name: None if one is None else _figures(one, n_components[name]) for name, one in scalers}

    def target_scale(self, n_components: int) -> list[float]:
        """Return what 1 in each scaled target stands for in the units of the data."""
        return _figures(self.target, n_components)["scale"]

    @classmethod
    def of(cls, figures: Mapping[str, Mapping[str, Sequence[float]] | None]) -> "Scalers":
        """Return the scalers with these figures."""
        return cls(**{name: None if given is None else _scaler(**given) for name, given in figures.items()})

    def transform(self, table: Table) -> Table:
        """Scale all series of a table, then round them to the single precision of the model.

        Raises
        ------
        DataError
            If a value is too far from those of the training for single precision.
        """
        return replace(
            table,
            target=_scaled("target", self.target, table.target),
            past_covariates=_scaled("past covariate", self.past_covariates, table.past_covariates),
            future_covariates=_scaled("future covariate", self.future_covariates, table.future_covariates),
        )


def _figures(scaler: Scaler, n_components: int) -> dict[str, list[float]]:
    """Read off what a scaler does: zero becomes the mean, one the mean and the scale."""
    units = TimeSeries.from_values(np.repeat([[0.0], [1.0]], n_components, axis=1))
    mean, mean_and_scale = scaler.inverse_transform(units).values()
    return {"mean": mean.tolist(), "scale": (mean_and_scale - mean).tolist()}


def _scaler(mean: Sequence[float], scale: Sequence[float]) -> Scaler:
    """Fit a scaler to two rows with this mean and this deviation."""
    centre, spread = np.asarray(mean), np.asarray(scale)
    return Scaler(StandardScaler()).fit(TimeSeries.from_values(np.stack([centre - spread, centre + spread])))


def _scaled(kind: str, scaler: Scaler | None, series: TimeSeries | None) -> TimeSeries | None:
    if scaler is None or series is None:
        return None
    scaled = scaler.transform(series).astype(np.float32)
    lost = np.argwhere(np.isinf(scaled.values(copy=False)))
    if len(lost):
        row, column = lost[0]
        raise DataError(
            f"{kind} '{series.components[column]}' has {series.values(copy=False)[row, column]:g} at "
            f"{series.time_index[row]}, too far from its values in the training to compute with: correct it or leave "
            "it empty"
        )
    return scaled
