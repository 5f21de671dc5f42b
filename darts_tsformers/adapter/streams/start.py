"""What a stream begins with."""

from typing import Any

import numpy as np
from darts import TimeSeries
from darts.utils.data.torch_datasets.utils import TorchInferenceSample
from darts.utils.utils import n_steps_between

from darts_tsformers.adapter.checks.names import check_rows
from darts_tsformers.adapter.forecasting.datasets import with_last_known
from darts_tsformers.adapter.streams.rows import CovariateRows, Encodings


def first_window(
    model: Any, series: TimeSeries, past_covariates: TimeSeries | None, future_covariates: TimeSeries | None
) -> tuple[TorchInferenceSample, CovariateRows, CovariateRows]:
    """Return the last rows of a series, checked as ``predict`` checks them, and the covariates that come after.

    Raises
    ------
    ValueError
        If the series is too short, nothing was observed in it, or it or its covariates do not fit the model.
    """
    if len(series) < model.min_input_chunk_length:
        raise ValueError(
            f"series has {len(series)} steps, but must have at least "
            f"min_input_chunk_length={model.min_input_chunk_length}"
        )
    model._verify_past_future_covariates(past_covariates=past_covariates, future_covariates=future_covariates)
    if model.uses_static_covariates:
        model._verify_static_covariates(series.static_covariates)
    tail = series[-model.input_chunk_length :]
    covariates = {"past_covariates": past_covariates, "future_covariates": future_covariates}
    encodings = [Encodings(model, name) for name in covariates]
    given = [kind.without(one) for kind, one in zip(encodings, covariates.values(), strict=True)]
    complete = [_complete(kind, one, tail) for kind, one in zip(encodings, given, strict=True)]
    for kind, one in zip(encodings, given, strict=True):
        trained = model._component_names.get(kind.name)
        if one is not None and trained is not None:
            check_rows(kind.name, one, trained[: one.n_components])
    (series,), *aligned = model._aligned([series], *(None if one is None else [one] for one in complete))
    read, waiting = [], []
    for kind, own, whole in zip(encodings, given, aligned, strict=True):
        width, components = 0 if own is None else own.n_components, [] if whole is None else whole[0].components
        before, after = (None, None) if whole is None else _split(kind.name, whole[0], tail)
        read.append(before)
        waiting.append(CovariateRows(kind, width, components, after, series.end_time() + series.freq, series.freq))
    past, known = read
    sample = TorchInferenceSample(
        past_target=_shown(model, series),
        past_covariates=past,
        historic_future_covariates=known,
        future_covariates=known,
        static_covariates=series.static_covariates_values(copy=False) if model.uses_static_covariates else None,
        series_schema=series.schema(copy=False),
    )
    model._validate_predict_ds_output(train_sample=model.train_sample, inference_sample=sample)
    if np.isnan(sample.past_target).all():
        raise ValueError("series must have values that were observed, to begin from")
    return sample, waiting[0], waiting[1]


def _shown(model: Any, series: TimeSeries) -> np.ndarray:
    """Return the last rows of a series; a component that none of them has observed shows its last known level."""
    values = series.values(copy=False)
    rows = values[-model.input_chunk_length :]
    return rows if len(values) < model.input_chunk_length else with_last_known(rows, values)


def _complete(encodings: Encodings, given: TimeSeries | None, series: TimeSeries) -> TimeSeries | None:
    """Return covariates with encodings, or these alone."""
    if given is not None:
        return encodings.added(given)
    return encodings.alone(series.start_time(), series.freq) if encodings.are_used else None


def _split(name: str, covariates: TimeSeries, series: TimeSeries) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariates over the steps of a series, and those after it."""
    if covariates.freq != series.freq:
        raise ValueError(f"{name} has the frequency {covariates.freq!r}, which must be {series.freq!r}")
    if covariates.start_time() > series.start_time() or covariates.end_time() < series.end_time():
        raise ValueError(
            f"{name} is from {covariates.start_time()} to {covariates.end_time()}, but must reach from "
            f"{series.start_time()} to {series.end_time()}"
        )
    first = n_steps_between(series.start_time(), covariates.start_time(), series.freq)
    rows = covariates.values(copy=False)[first:]
    return rows[: len(series)], rows[len(series) :]
