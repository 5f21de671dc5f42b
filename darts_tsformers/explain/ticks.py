"""Labels of the axes of a heat map, as many as can be read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axis import Axis, XAxis
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

_MAX_TIMES = 9
_MAX_PERIODS = 16
_MAX_NAMES = 40
_LONGEST = 24


def time_ticks(axis: Axis, weights: xr.DataArray, dim: str, window: int | None) -> None:
    """Label tokens by when they are: time stamps in one window, else steps from the last one seen."""
    n = weights.sizes[dim]
    shown = np.unique(np.linspace(0, n - 1, min(n, _MAX_TIMES)).round().astype(int)).tolist()
    if window is None:
        starts, ends = weights[dim].to_numpy(), weights[f"{dim}_last"].to_numpy()
        texts = [_span(f"{starts[i]}", f"{ends[i]}") for i in shown]
    else:
        starts, ends = (weights[f"{dim}_{what}"].to_numpy()[window] for what in ("start", "end"))
        whole_days = _whole_days(starts) and _whole_days(ends)
        texts = [_span(_when(starts[i], whole_days), _when(ends[i], whole_days)) for i in shown]
    _set(axis, shown, texts)


def date_ticks(axis: Axis, times: np.ndarray) -> None:
    """Label an axis of time stamps without saying twice what is the same; leave one of numbers as it is."""
    if times.dtype.kind == "M":
        locator = AutoDateLocator(minticks=4, maxticks=8)
        axis.set_major_locator(locator)
        axis.set_major_formatter(ConciseDateFormatter(locator))


def name_ticks(axis: Axis, names: Sequence[str]) -> None:
    """Label tokens by name."""
    step = -(-len(names) // _MAX_NAMES)
    shown = list(range(0, len(names), step))
    _set(axis, shown, [_shortened(names[i]) for i in shown])


def period_ticks(axis: Axis, durations: Sequence[str]) -> None:
    """Label lengths of time in words, evenly chosen where there are too many."""
    n = len(durations)
    shown = np.unique(np.linspace(0, n - 1, min(n, _MAX_PERIODS)).round().astype(int)).tolist()
    _set(axis, shown, [durations[i] for i in shown])


def _set(axis: Axis, at: Sequence[int], texts: list[str]) -> None:
    crowded = isinstance(axis, XAxis) and (len(texts) > 9 or max(map(len, texts)) > 5)
    turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axis.set_ticks(at, texts, fontsize=9 if len(texts) <= 20 else 7.5, parse_math=False, **turned)


def _span(start: str, end: str) -> str:
    if start == end:
        return start
    day, _, clock = end.rpartition(" ")
    return f"{start} to {clock if day and start.startswith(f'{day} ') else end}"


def _when(time: object, whole_days: bool) -> str:
    if isinstance(time, int | np.integer):
        return str(time)
    return pd.Timestamp(time).strftime("%Y-%m-%d" if whole_days else "%m-%d %H:%M")  # type: ignore[arg-type]


def _whole_days(times: np.ndarray) -> bool:
    return times.dtype.kind == "M" and bool((times == times.astype("datetime64[D]")).all())


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
