"""The one function that explains a forecast."""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import pandas as pd
from darts import TimeSeries

from darts_tsformers.adapter.checks.fitted import require_fitted
from darts_tsformers.adapter.checks.series import given_or_kept
from darts_tsformers.adapter.forecasting.alone import forecasting
from darts_tsformers.adapter.likelihoods import n_levels
from darts_tsformers.attention import Attention
from darts_tsformers.checks import require_at_least
from darts_tsformers.explain.capture import Capture, windows_of_passes
from darts_tsformers.explain.explanation import Explanation
from darts_tsformers.explain.labelled import Labels, variable_names
from darts_tsformers.explain.windows import Origin
from darts_tsformers.models import TSFormerModel
from darts_tsformers.recording import KINDS

_SERIES = ("series", "past_covariates", "future_covariates")

Many: TypeAlias = TimeSeries | Sequence[TimeSeries] | None


def explain(
    model: TSFormerModel,
    series: TimeSeries | Sequence[TimeSeries] | None = None,
    past_covariates: Many = None,
    future_covariates: Many = None,
    *,
    n: int | None = None,
    start: pd.Timestamp | int | float | None = None,
    stride: int | None = None,
    kinds: Sequence[str] | None = None,
    batch_size: int = 8,
    max_windows: int = 64,
) -> Explanation:
    """Forecast as the model does, and note what it looks at.

    Parameters
    ----------
    model
        A fitted model of this package.
    series
        One or several series to forecast; by default the one the model was trained on.
    past_covariates, future_covariates
        What ``predict`` needs.
    n
        Steps to forecast; the horizon of the model by default. Beyond it the model goes on from its own forecasts, and
        each pass is a window of its own.
    start
        First time to forecast, as in Darts' ``historical_forecasts``: windows from there to the end of each series are
        explained instead of the last alone. A float is a share of the series, an integer a position.
    stride
        Steps between such windows; 1 by default. Alone, it takes all windows that there are.
    kinds
        What to record, of :data:`darts_tsformers.recording.KINDS`; by default everything.
    batch_size
        Windows forecast at a time, whose maps are all in memory.
    max_windows
        Windows whose maps are held in memory. With more of them all are written to a temporary folder, and read from
        there when they are used; it is removed with the explanation.

    Returns
    -------
    What was recorded, labelled; it can be printed, plotted and turned into a data frame.

    Raises
    ------
    TypeError
        If ``model`` is not a model of this package.
    ValueError
        If it is not fitted, if it keeps no series and none is given, if a number is out of range or a kind not known,
        or if nothing of the kinds was recorded.

    Notes
    -----
    With a likelihood its parameters are forecast; beyond the horizon, where Darts gives none, one sample path is.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.explain import explain
    >>> series = TimeSeries.from_values(np.sin(np.arange(90) / 2).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = PatchTSTModel(24, 6, patch_length=6, stride=6, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> e = explain(model.fit(series, verbose=False))
    >>> e.mean_maps["backbone.encoder.layers.0.attention"].shape  # heads, patches that look, patches looked at
    (4, 5, 5)
    >>> print(e.summary().splitlines()[0])
    PatchTSTModel, 1 window of 1 series: attention of 3 layers.
    """
    n = _checked(model, n, stride, kinds, batch_size, max_windows)
    kept = given_or_kept(model, series)
    given: dict[str, Any] = {
        "series": series,
        "past_covariates": past_covariates,
        "future_covariates": future_covariates,
        "verbose": False,
        "predict_likelihood_parameters": model.likelihood is not None and _is_direct(model, n),
    }
    if start is None and stride is None:
        forecast = partial(model.predict, n, **given, batch_size=batch_size, random_state=0)
    else:
        given["series"] = kept
        given |= {name: [given[name]] for name in _SERIES if isinstance(given[name], TimeSeries)}
        forecast = partial(
            model.historical_forecasts,
            **given,
            start=start,
            stride=stride or 1,
            forecast_horizon=n,
            retrain=False,
            overlap_end=True,
            last_points_only=False,
            random_state=0,
            predict_kwargs={"batch_size": batch_size},
        )
    capture = Capture(model.model, model.model.forecaster.network, KINDS if kinds is None else kinds, max_windows)
    with forecasting(model):
        return _explanation(model, n, capture, capture.run(forecast))


def _checked(
    model: Any, n: int | None, stride: int | None, kinds: Sequence[str] | None, batch_size: int, max_windows: int
) -> int:
    """Check the arguments and return how many steps to forecast."""
    require_fitted(model)
    n = model.output_chunk_length if n is None else n
    require_at_least(1, n=n, batch_size=batch_size, max_windows=max_windows, stride=1 if stride is None else stride)
    if isinstance(kinds, str):
        raise ValueError(f"kinds={kinds!r} must be a sequence of names, such as [{kinds!r}]")
    for kind in kinds or ():
        if kind not in KINDS:
            raise ValueError(f"kinds={list(kinds or ())} must be of {list(KINDS)}; {kind!r} is not")
    return n


def _is_direct(model: TSFormerModel, n: int) -> bool:
    return n <= model.output_chunk_length


def _explanation(model: TSFormerModel, n: int, capture: Capture, forecasts: Any) -> Explanation:
    flat = _flat(forecasts)
    n_rolls = 1 if _is_direct(model, n) else -(-n // model.output_chunk_length)
    rows = windows_of_passes(capture.passes, n_rolls)
    furthest = max(0, n - model.output_chunk_length)
    origins = []
    for window, roll in rows:
        series, one = flat[window]
        shown = min(roll * model.output_chunk_length, furthest)
        last_seen = one.start_time() + (shown - 1 - model.output_chunk_shift) * one.freq
        origins.append(Origin(series, last_seen, one.freq, shown))
    arrays = capture.arrays()
    if not arrays:
        raise ValueError(
            f"{type(model).__name__} records nothing of what was asked for: without kinds= all is, unless its "
            "mechanism returns no weights when it is asked for them"
        )
    names = variable_names(model.trainer.predict_dataloaders.dataset)
    labels = Labels(model.model.forecaster.network, origins, names)
    parts = {
        kind: {path: labels.dataset(kind, path, capture.modules[path], named) for path, named in by_path.items()}
        for kind, by_path in arrays.items()
    }
    return Explanation(
        model=type(model).__name__,
        parts=parts,
        origins=origins,
        forecasts=[one for _, one in flat],
        groups=_distance_groups(capture, parts),
        level=n_levels(model.likelihood) // 2,
        folder=capture.folder,
    )


def _flat(forecasts: Any) -> list[tuple[int, TimeSeries]]:
    """Return each forecast with the position of its series, in the order of the windows."""
    if isinstance(forecasts, TimeSeries):
        return [(0, forecasts)]
    if isinstance(forecasts[0], TimeSeries):
        return list(enumerate(forecasts))
    return [(i, one) for i, several in enumerate(forecasts) for one in several]


def _distance_groups(capture: Capture, parts: dict[str, dict[str, Any]]) -> dict[str, dict[str, list[int]]]:
    """Return the distances that each layer's mechanism is made of, by path."""
    found = {}
    for path, part in parts.get("attention", {}).items():
        mechanism = getattr(capture.modules[path], "mechanism", None)
        if isinstance(mechanism, Attention) and (groups := mechanism.distance_groups(part.sizes["key"])):
            found[path] = groups
    return found
