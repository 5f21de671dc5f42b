"""The one function that measures what a forecast rests on."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import xarray as xr
from darts import TimeSeries
from torch import nn

from darts_tsformers.adapter.checks.fitted import require_fitted
from darts_tsformers.adapter.forecasting.alone import forecasting
from darts_tsformers.adapter.forecasting.datasets import ObservedInferenceDataset
from darts_tsformers.adapter.forecasting.windows import forecast_windows
from darts_tsformers.adapter.likelihoods import expected_value
from darts_tsformers.checks import require_at_least
from darts_tsformers.explain.exchange import PARTS, Exchanged, Variable, are_alike, random_partners, variables
from darts_tsformers.explain.labelled import variable_names
from darts_tsformers.explain.measured import Reliance
from darts_tsformers.explain.windows import Origin, window_coordinates
from darts_tsformers.models import TSFormerModel
from darts_tsformers.recording.passes import watching

Many: TypeAlias = TimeSeries | Sequence[TimeSeries] | None


def reliance(
    model: TSFormerModel,
    series: Many = None,
    past_covariates: Many = None,
    future_covariates: Many = None,
    *,
    start: pd.Timestamp | int | float | None = None,
    stride: int = 1,
    max_windows: int = 256,
    batch_size: int | None = None,
    random_state: int = 0,
) -> Reliance:
    """Measure how much a forecast rests on each variable.

    Each variable in turn is exchanged among windows: a window gets the values of another one, and keeps all else. How
    far the forecast moves says how much it depends on the variable, and how much the error grows, where what came is
    known, how much it gains from it. Unlike attention or selection weights, which say what was let through, this asks
    the whole model what it makes of it, and can be compared between models of any kind.

    Variables are the past of each component of the target, every past and future covariate, those of encoders included,
    and static covariates if there are several series. A future covariate is exchanged as a whole, and its look-back and
    its horizon alone.

    Parameters
    ----------
    model
        A fitted model of this package.
    series
        One or several series; by default the one the model was trained on. One that it was not trained on is better:
        on data learned by heart, errors grow by what was learned by heart.
    past_covariates, future_covariates
        What ``historical_forecasts`` needs.
    start
        First time to forecast, as in Darts' ``historical_forecasts``; by default the first that can be.
    stride
        Steps between windows. With a whole season (24 for hours) all stand at the same phase of it, and what is
        exchanged keeps the season.
    max_windows
        Windows to use: of more, as many are drawn.
    batch_size
        Windows forecast at a time; by default the model's.
    random_state
        Seed of the windows drawn and of which of them exchange with each other.

    Returns
    -------
    What was measured, labelled; it can be printed, plotted and turned into a data frame.

    Raises
    ------
    TypeError
        If ``model`` is not a model of this package.
    ValueError
        If it is not fitted, if a number is out of range, or if there are fewer than two windows.

    Notes
    -----
    *Cost.* All windows are forecast once as they are, once for each target component, past and static covariate, and
    three times for each future covariate, over one horizon.

    *What is compared.* The mean of the forecast, or its median where the likelihood is one of quantiles. Changes and
    errors are absolute ones in the units of the series, means over windows and horizon. All variables are exchanged
    between the same windows, along one random cycle through all of them, so that none keeps its own.

    *What cannot be told.* To exchange a variable that is alike in all windows tells nothing: its changes and errors are
    NaN.

    *What to bear in mind.* Exchanged windows can be combinations that do not occur, on which nobody knows what a model
    does. A part of a covariate can count for more than the whole where a model compares its horizon with its look-back.
    Variables that stand in for each other share: each seems to matter less than the two together. The past of the
    target brings its level with it, and between series that of another series.

    The growth of the error is the permutation importance of Breiman, "Random Forests", Machine Learning 45, 2001, which
    Fisher, Rudin and Dominici, "All Models are Wrong, but Many are Useful", Journal of Machine Learning Research 20,
    2019, call model reliance.

    Examples
    --------
    A series that follows one covariate, and not the other:

    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.explain import reliance
    >>> values = np.random.default_rng(0).normal(size=(240, 2)).astype("float32")
    >>> known = TimeSeries.from_values(values, columns=["driver", "noise"])
    >>> sales = TimeSeries.from_values(values[:, :1], columns=["sales"])
    >>> quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    >>> model = PatchTSTModel(8, 2, patch_length=4, stride=2, d_model=8, n_heads=2, use_instance_norm=False, n_epochs=6,
    ...                       optimizer_kwargs={"lr": 1e-2}, random_state=0, pl_trainer_kwargs=quiet)
    >>> model = model.fit(sales, future_covariates=known)
    >>> measured = reliance(model, sales, future_covariates=known, max_windows=64)
    >>> measured.ranking()["variable"].iloc[0]
    'driver'
    >>> frame = measured.to_frame()  # and measured.plot(), print(measured)
    """
    require_fitted(model)
    require_at_least(2, max_windows=max_windows)
    require_at_least(1, stride=stride, batch_size=1 if batch_size is None else batch_size)
    require_at_least(0, random_state=random_state)
    dataset = forecast_windows(model, series, past_covariates, future_covariates, start=start, stride=stride)
    n = len(dataset)
    if n < 2:
        raise ValueError(f"start={start!r} and stride={stride} give {n} window, but an exchange needs at least 2")
    rng = np.random.default_rng(random_state)
    chosen = np.sort(rng.choice(n, max_windows, replace=False)) if n > max_windows else np.arange(n)
    with forecasting(model):
        return _measure(model, dataset, chosen, random_partners(len(chosen), rng), batch_size)


def _measure(
    model: TSFormerModel,
    dataset: ObservedInferenceDataset,
    chosen: np.ndarray,
    partners: np.ndarray,
    batch_size: int | None,
) -> Reliance:
    samples = [dataset[i] for i in chosen]
    places = [dataset.position(i) for i in chosen]
    truth = np.stack([_truth(dataset, *place) for place in places])
    names = variable_names(dataset)
    found = list(variables(names, n_series=len({series for series, _ in places})))
    forecaster = _Forecaster(model, batch_size)
    base = forecaster.forecast(Exchanged(samples, partners))
    shape = (len(found), len(PARTS), base.shape[-1])
    change, error, is_part = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape[:2], dtype=bool)
    for i, variable in enumerate(found):
        known: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = {}
        for part, fields in variable.fields.items():
            is_part[i, PARTS.index(part)] = True
            if are_alike(samples, variable.column, fields):
                continue
            if fields not in known:
                exchanged = forecaster.forecast(Exchanged(samples, partners, variable.column, fields))
                known[fields] = _mean_distance(exchanged, base), _mean_distance(exchanged, truth)
            at = i, PARTS.index(part)
            change[at], error[at] = known[fields]
    axes = ("variable", "part", "component")
    arrays: dict[str, Any] = {
        "change": (axes, change),
        "error": (axes, error),
        "is_part": (axes[:2], is_part),
        "spread": ("component", _mean_distance(base[partners], base)),
        "base_error": ("component", _mean_distance(base, truth)),
        "partner": ("window", partners),
    }
    coordinates = window_coordinates([_origin(dataset, *place) for place in places])
    coordinates |= _coordinates(found, names["target"])
    return Reliance(type(model).__name__, xr.Dataset(arrays, coords=coordinates))


def _coordinates(found: Sequence[Variable], components: Sequence[str]) -> dict[str, Any]:
    return {
        "variable": [variable.name for variable in found],
        "kind": ("variable", [variable.kind for variable in found]),
        "part": list(PARTS),
        "component": list(components),
    }


def _origin(dataset: ObservedInferenceDataset, series_index: int, end: int) -> Origin:
    series = dataset.series[series_index]
    return Origin(series_index, series.time_index[end - 1], series.freq)


def _truth(dataset: ObservedInferenceDataset, series_index: int, end: int) -> np.ndarray:
    """Return what came, ``(H, C)``; NaN where that is not known."""
    values = dataset.series[series_index].values(copy=False)
    first = end + dataset.output_chunk_shift
    came = values[first : first + dataset.output_chunk_length]
    truth = np.full((dataset.output_chunk_length, values.shape[1]), np.nan)
    truth[: len(came)] = came
    return truth


def _mean_distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean absolute difference of each component, ``(N, H, C) -> (C,)``, over what is not NaN."""
    distance = np.abs(one - other)
    counted = ~np.isnan(distance)
    total, n = np.where(counted, distance, 0).sum(axis=(0, 1)), counted.sum(axis=(0, 1))
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


class _Forecaster:
    """Forecasts windows by what the likelihood expects, always in the same batches and by one trainer."""

    def __init__(self, model: TSFormerModel, batch_size: int | None) -> None:
        self._model = model
        self._batch_size = batch_size
        self._trainer: pl.Trainer | None = None

    def forecast(self, windows: Exchanged) -> np.ndarray:
        """Return the forecast of each window, ``(N, H, C)``."""
        model, batches = self._model, []

        def take(_: nn.Module, __: object, out: Any) -> None:
            parameters = out.prediction.detach().cpu().double()
            batches.append(expected_value(model.likelihood, parameters).numpy())

        with watching(model.model, take):
            model.predict_from_dataset(
                model.output_chunk_length,
                windows,
                trainer=self._trainer,
                batch_size=self._batch_size,
                verbose=False,
                predict_likelihood_parameters=model.likelihood is not None,
                random_state=0,
                values_only=True,
            )
            self._trainer = model.trainer
        return np.concatenate(batches)
