"""Models that stream, data for them, and what their forecasts are compared with."""

import numpy as np
import pytest
from darts import TimeSeries

from darts_tsformers import LogSparseTransformerModel
from tests.adapter.fading import FadingModel
from tests.contracts.cases import KINDS, TRAINER, Data, make_data
from tests.helpers import scatter_

L, H, BEGIN = 67, 5, 3
LOG_SPARSE = {"positions": "history", "d_model": 8, "n_heads": 2, "d_ff": 11, "n_decoder_layers": 2, "kernel_size": 3}
MODELS = {
    "fading": (FadingModel, {}),
    "fading, covariates outside": (FadingModel, {"reads_covariates": False}),
    "log-sparse": (LogSparseTransformerModel, LOG_SPARSE),
}
every_model = pytest.mark.parametrize("name", MODELS)


def fitted(name: str, data: Data, horizon: int = H, **overrides):
    """Make a model with weights that were drawn, so that everything has an effect."""
    model_class, arguments = MODELS[name]
    arguments = {"use_instance_norm": "running", "min_input_chunk_length": 1, "random_state": 7} | arguments
    model = model_class(L, horizon, n_epochs=0, pl_trainer_kwargs=TRAINER, **(arguments | overrides))
    model.fit(data.series, **data.covariates(), verbose=False)
    scatter_(model.model.forecaster)
    return model


def make(kinds: tuple[str, ...] = KINDS, *, gaps: bool = False, **changes) -> Data:
    """Draw data; with gaps also where the history begins, and in the covariates of the past."""
    data = make_data(3, kinds, length=73, **changes)
    if not gaps:
        return data
    rng = np.random.default_rng(1)

    def holed(series: TimeSeries, until: int) -> TimeSeries:
        values = series.values(copy=True)
        values[:until][rng.random(values[:until].shape) < 0.3] = np.nan
        return series.with_values(values)

    series = holed(data.series, 73)
    values = series.values(copy=True)
    values[:5], values[5, 1:], values[6:11, 2] = np.nan, np.nan, np.nan
    values[5, 0] = 3.0
    past = None if data.past_covariates is None else holed(data.past_covariates, 120)
    future = None if data.future_covariates is None else holed(data.future_covariates, 12)
    return Data(series.with_values(values), past, future)


def predicted(model, data: Data, lengths: range, n: int = H) -> list[np.ndarray]:
    """Forecast from histories of these lengths, as ``predict`` does."""
    forecasts = model.historical_forecasts(
        data.series[: lengths[-1] + model.output_chunk_shift + n],
        **data.covariates(),
        start=lengths[0],
        start_format="position",
        stride=lengths.step,
        forecast_horizon=n,
        retrain=False,
        last_points_only=False,
        verbose=False,
    )
    return [forecast.all_values() for forecast in forecasts]


def followed(model, data: Data, lengths: range, n: int = H) -> list[np.ndarray]:
    """Forecast from histories of these lengths by one stream, which is given one row after the other."""
    stream = model.stream(data.series[: lengths[0]], **data.covariates())
    forecasts = []
    for length in range(lengths[0], lengths[-1] + 1):
        if length > lengths[0]:
            stream.update(data.series[length - 1 : length])
        if length in lengths:
            forecasts.append(stream.forecast(n).all_values())
    return forecasts


def assert_same(ours: list[np.ndarray], theirs: list[np.ndarray], tolerance: float = 1e-5) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() < tolerance * np.abs(other).max()


def check(model, data: Data, first: int = BEGIN, tolerance: float = 1e-5, n: int = H) -> None:
    """Compare about ten forecasts on the way to the longest history that a window holds."""
    lengths = range(first, L + 1, (L - first) // 9)
    assert_same(followed(model, data, lengths, n), predicted(model, data, lengths, n), tolerance)


def one(stream) -> list[np.ndarray]:
    return [stream.forecast().all_values()]
