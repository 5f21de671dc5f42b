"""What is served, whichever way it was written: one way to ask what it needs, to check a series and to forecast."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers import __version__
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.forecasting.direct import forecast_arrays, obstacle, trained_names
from darts_tsformers.serving.refusal import RefusedError
from darts_tsformers.serving.schema import Columns, Info, Series
from darts_tsformers.workflow import DataError, Table, TableForecaster


@dataclass(frozen=True)
class Item:
    """A series to forecast, as arrays.

    Attributes
    ----------
    start
        Time of the first row: a Timestamp or an integer.
    target, past_covariates, future_covariates
        Shape ``(steps, columns)`` each; NaN where nothing was observed; None for no columns.
    """

    start: Any
    target: np.ndarray
    past_covariates: np.ndarray | None
    future_covariates: np.ndarray | None


class Forecaster(ABC):
    """What is served.

    Attributes
    ----------
    info
        What it is and what it needs.
    levels
        Mean and deviation of each target in training, shape ``(2, C)``; None if they are not known.
    shift
        Steps left out before the first forecast.
    """

    info: Info
    levels: np.ndarray | None
    shift: int = 0

    def item(self, series: Series) -> Item:
        """Check a series and make arrays of it.

        Raises
        ------
        RefusedError
            If it lacks a column, has one that is not known, or does not fit.
        """
        info = self.info
        target = _array(("values",), series.values, info.targets)
        if len(target) < info.shortest:
            raise RefusedError(("values",), f"{len(target)} steps are too few: the forecaster needs {info.shortest}")
        if np.isnan(target).all():
            raise RefusedError(("values",), "no value was observed")
        past = _array(("past_covariates",), series.past_covariates, info.past_covariates)
        future = _array(("future_covariates",), series.future_covariates, info.future_covariates)
        if info.past_covariates and len(past) < len(target):
            raise RefusedError(("past_covariates",), f"{len(past)} steps are too few: values have {len(target)}")
        needed = len(target) + self.shift + info.horizon
        if info.future_covariates and len(future) < needed:
            raise RefusedError(
                ("future_covariates",), f"{len(future)} steps are too few: values and horizon take {needed}"
            )
        return Item(
            self.start(series),
            target,
            past if info.past_covariates else None,
            future if info.future_covariates else None,
        )

    def start(self, series: Series) -> Any:
        """Return the time of the first row as the forecaster's frequency has it."""
        if isinstance(self.info.frequency, str) and isinstance(series.start, int):
            raise RefusedError(("start",), f"must be a date: one step is {self.info.frequency}")
        if not isinstance(self.info.frequency, str) and not isinstance(series.start, int):
            raise RefusedError(("start",), "must be a whole number: no time step is known")
        return series.start if isinstance(series.start, int) else pd.Timestamp(series.start)

    def after(self, item: Item) -> Any:
        """Return the time of the first forecast."""
        return self.index(item, len(item.target) + self.shift + 1)[-1]

    def index(self, item: Item, n: int) -> pd.Index:
        """Return the times of the first rows."""
        frequency = self.info.frequency
        if isinstance(frequency, str):
            return pd.date_range(item.start, periods=n, freq=frequency)
        step = frequency or 1
        return pd.RangeIndex(item.start, item.start + n * step, step)

    @abstractmethod
    def forecast(self, items: Sequence[Item]) -> np.ndarray:
        """Forecast: shape ``(items, horizon, C, 1 + quantiles)``, the point forecast first."""


class TableServed(Forecaster):
    """What the command line has written: scaling, the model and those beside it, as ``predict`` forecasts with them."""

    def __init__(self, forecaster: TableForecaster) -> None:
        self.forecaster = forecaster
        settings, columns = forecaster.settings, forecaster.columns
        figures = forecaster.scalers.figures(
            target=len(columns.targets),
            past_covariates=len(columns.past_covariates),
            future_covariates=len(columns.future_covariates),
        )["target"]
        self.levels = None if figures is None else np.array([figures["mean"], figures["scale"]])
        self.info = Info(
            model=settings.model_class,
            version=__version__,
            lookback=settings.lookback,
            shortest=forecaster.n_rows_needed,
            horizon=settings.horizon,
            frequency=columns.frequency,
            targets=list(columns.targets),
            past_covariates=list(columns.past_covariates),
            future_covariates=list(columns.future_covariates),
            quantiles=list(settings.quantiles),
        )

    def forecast(self, items: Sequence[Item]) -> np.ndarray:
        """Forecast one series after the other: the classical models are fitted to each."""
        return np.stack([self._one(item) for item in items])

    def item(self, series: Series) -> Item:
        """Check a series as the command line does, too."""
        item = super().item(series)
        try:
            self.forecaster.table(self._table(item))
        except (DataError, ValueError) as error:
            raise RefusedError(("values",), str(error)) from None
        return item

    def _table(self, item: Item) -> Table:
        def series(values: np.ndarray | None, names: Sequence[str]) -> TimeSeries | None:
            if values is None:
                return None
            index = self.index(item, len(values))
            return TimeSeries.from_times_and_values(index, values, columns=list(names))

        target = series(item.target, self.info.targets)
        past = None if item.past_covariates is None else item.past_covariates[: len(item.target)]
        return Table(
            target,
            series(past, self.info.past_covariates),
            series(item.future_covariates, self.info.future_covariates),
        )

    def _one(self, item: Item) -> np.ndarray:
        found = self.forecaster.predict(self._table(item))
        return np.stack([one.values(copy=False) for one in (found.point, *found.quantiles.values())], axis=-1)


class ModelServed(Forecaster):
    """A model alone, in the units that it was trained on; all series of a batch in one pass."""

    def __init__(self, model: TSFormerModel, frequency: str | int | None = None) -> None:
        found = obstacle(model)
        if found is not None:
            raise ValueError(f"{type(model).__name__} cannot be served alone: {found}")
        self.model = model
        names = trained_names(model)
        self.levels, self.shift = None, model.output_chunk_shift
        self.info = Info(
            model=type(model).__name__,
            version=__version__,
            lookback=model.input_chunk_length,
            shortest=model.min_input_chunk_length,
            horizon=model.output_chunk_length,
            frequency=frequency,
            targets=names["series"],
            past_covariates=names.get("past_covariates", []),
            future_covariates=names.get("future_covariates", []),
            quantiles=list(getattr(model.likelihood, "quantiles", None) or []),
        )
        if self.info.quantiles and 0.5 not in self.info.quantiles:
            raise ValueError(f"{type(model).__name__} cannot be served alone: its quantiles lack 0.5")

    def forecast(self, items: Sequence[Item]) -> np.ndarray:
        """Forecast all at once; quantiles that cross are put in order."""
        windows = [self._window(item) for item in items]
        stacked = {name: np.stack([window[name] for window in windows]) for name in windows[0]}
        found = forecast_arrays(self.model, stacked)
        if not self.info.quantiles:
            return found
        found = np.sort(found, axis=-1)
        median = self.info.quantiles.index(0.5)
        return np.concatenate([found[..., [median]], found], axis=-1)

    def _window(self, item: Item) -> Mapping[str, np.ndarray]:
        """Cut the last look-back, filled up on the left where a series is shorter."""
        end, length, horizon = len(item.target), self.info.lookback, self.info.horizon
        window = {"past_target": _last(item.target, end, length)}
        if item.past_covariates is not None:
            window["past_covariates"] = _last(item.past_covariates, end, length)
        if item.future_covariates is not None:
            window["historic_future_covariates"] = _last(item.future_covariates, end, length)
            window["future_covariates"] = item.future_covariates[end + self.shift :][:horizon]
        return window


def _last(values: np.ndarray, end: int, length: int) -> np.ndarray:
    kept = values[max(end - length, 0) : end]
    return np.pad(kept, ((length - len(kept), 0), (0, 0)), constant_values=np.nan)


def _array(where: tuple[str], columns: Columns, names: Sequence[str]) -> np.ndarray:
    """Return columns side by side, in the order of training."""
    unknown = [name for name in columns if name not in names]
    if unknown:
        known = f"it was trained with {', '.join(names)}" if names else "the forecaster takes none"
        raise RefusedError((*where, unknown[0]), f"unknown column: {known}")
    missing = [name for name in names if name not in columns]
    if missing:
        raise RefusedError((*where, missing[0]), "missing: the forecaster was trained with it")
    lengths = {name: len(columns[name]) for name in names}
    if len(set(lengths.values())) > 1:
        raise RefusedError(where, f"columns must be of one length, not {lengths}")
    return np.array([columns[name] for name in names], dtype=float).T if names else np.empty((0, 0))
