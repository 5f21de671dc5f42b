"""Panels to try models on: archive files as series, and series made as untidy as data are in practice."""

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.utils.timeseries_generation import holidays_timeseries
from numpy.typing import NDArray

__all__ = ["Panel", "read_tsf", "realistic_panel"]

FREQUENCIES = {
    "minutely": "min",
    "yearly": "YS",
    "quarterly": "QS",
    "monthly": "MS",
    "weekly": "W",
    "daily": "D",
    "hourly": "h",
    "half_hourly": "30min",
    "10_minutes": "10min",
}


@dataclass(frozen=True)
class Panel:
    """Many series, with what is known of each.

    Attributes
    ----------
    series
        Targets, with the static covariates ``group`` (a code from 0 on) and ``size``; NaN is a gap.
    future_covariates
        For each the holidays in every step, beyond its end as well.
    n_groups
        Number of groups, for ``categorical_embedding_sizes={"group": n_groups}``.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.data import realistic_panel
    >>> days = pd.date_range("2024-01-01", periods=100, freq="D")
    >>> tidy = [TimeSeries.from_times_and_values(days, np.full(100, level)) for level in (1.0, 10.0, 100.0)]
    >>> panel = realistic_panel(tidy, short_share=0.0)
    >>> panel.n_groups, [int(one.static_covariates["group"].iloc[0]) for one in panel.series]
    (3, [0, 1, 2])
    """

    series: list[TimeSeries]
    future_covariates: list[TimeSeries]
    n_groups: int


def read_tsf(path: str | os.PathLike[str]) -> list[TimeSeries]:
    """Read a file of the Monash forecasting archive, ``.tsf`` or ``.tsf.gz``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    One series of float32 for each line, with a missing value (``?``) as NaN. A start that is not on the frequency's
    grid, such as a month's 28th, is moved back to it; a series without a start counts its steps from 0.

    Raises
    ------
    ValueError
        If the file has no data, a frequency that is not known, or a line that does not fit its header.

    Examples
    --------
    >>> from darts_tsformers.data import read_tsf
    >>> lines = ["@attribute series_name string", "@attribute start_timestamp date", "@frequency monthly", "@data"]
    >>> with open("two.tsf", "w") as file:
    ...     for line in [*lines, "T1:2001-01-28 00-00-00:5,?,7", "T2:2001-03-28 00-00-00:1,2"]:
    ...         print(line, file=file)
    >>> first, second = read_tsf("two.tsf")
    >>> first.values().ravel()
    array([ 5., nan,  7.], dtype=float32)
    >>> second.components[0], str(second.start_time().date())
    ('T2', '2001-03-01')
    """
    return [
        TimeSeries(line.times, values, components=[line.attributes.get("series_name", "value")])
        for line in tsf_lines(path)
        for values in [line.values[:, None].astype(np.float32)]
    ]


@dataclass(frozen=True)
class TsfLine:
    """One series of a ``.tsf`` file.

    Attributes
    ----------
    attributes
        What the file says of it, by the names in the header.
    times
        Its steps: dates with a frequency, or whole numbers from 0 if the file gives no start.
    values
        Shape ``(time,)``, float64; NaN where a value is missing.
    """

    attributes: dict[str, str]
    times: pd.DatetimeIndex | pd.RangeIndex
    values: NDArray[np.float64]


def tsf_lines(path: str | os.PathLike[str]) -> list[TsfLine]:
    """Return what :func:`read_tsf` makes series of, in double precision; it raises the same errors."""
    opened = gzip.open if Path(path).suffix == ".gz" else open
    with opened(path, "rt", encoding="latin-1") as file:
        header, _, body = file.read().partition("@data")
    words = [line[1:].split() for line in header.splitlines() if line.startswith("@")]
    frequency = next((rest[0] for key, *rest in words if key == "frequency"), "none")
    if frequency not in FREQUENCIES:
        raise ValueError(f"{path}: frequency={frequency!r} must be one of {sorted(FREQUENCIES)}")
    names = [rest[0] for key, *rest in words if key == "attribute"]
    lines = [line for line in body.splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path}: no series after @data")
    return [_parse(line, names, FREQUENCIES[frequency]) for line in lines]


def _parse(line: str, names: Sequence[str], frequency: str) -> TsfLine:
    *fields, cells = line.split(":")
    if len(fields) != len(names):
        raise ValueError(f"series {line[:40]!r}... has {len(fields)} attributes, the header names {list(names)}")
    attributes = dict(zip(names, fields, strict=True))
    values = np.array([np.nan if cell == "?" else float(cell) for cell in cells.split(",")])
    times: pd.DatetimeIndex | pd.RangeIndex = pd.RangeIndex(len(values))
    if "start_timestamp" in attributes:
        day, _, clock = attributes["start_timestamp"].partition(" ")
        first = pd.Timestamp(day) + pd.Timedelta(clock.replace("-", ":") or 0)
        first = pd.tseries.frequencies.to_offset(frequency).rollback(first)
        times = pd.date_range(first, periods=len(values), freq=frequency)
    return TsfLine(attributes, times, values)


def realistic_panel(
    series: Sequence[TimeSeries],
    *,
    country: str = "US",
    missing_share: float = 0.1,
    short_share: float = 0.2,
    shortest: int = 24,
    n_beyond: int = 48,
    seed: int = 0,
) -> Panel:
    """Make tidy series as untidy as a shop's.

    Parameters
    ----------
    series
        Univariate series with a datetime index.
    country
        Whose holidays, by its code.
    missing_share
        Share of values taken out, half of them one by one, half as one block in each series.
    short_share, shortest
        Share of series cut to their last ``shortest`` steps: new shops.
    n_beyond
        Steps for which holidays are known beyond a series' end.
    seed
        What is taken out depends on it alone.

    Returns
    -------
    The panel. Groups are thirds by the series' mean; ``size`` is the logarithm of that mean, standardised.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.data import realistic_panel
    >>> days = pd.date_range("2024-01-01", periods=100, freq="D")
    >>> tidy = [TimeSeries.from_times_and_values(days, np.full(100, level)) for level in (1.0, 10.0, 100.0)]
    >>> panel = realistic_panel(tidy, short_share=0.0)
    >>> [int(np.isnan(one.values()).sum()) for one in panel.series]
    [11, 11, 6]
    >>> len(panel.future_covariates[0])  # 48 steps more
    148
    """
    rng = np.random.default_rng(seed)
    sizes = np.log1p([np.nanmean(np.abs(one.values())) for one in series])
    groups = np.searchsorted(np.quantile(sizes, [1 / 3, 2 / 3]), sizes)
    standardised = (sizes - sizes.mean()) / max(float(sizes.std()), 1e-6)
    panel, futures = [], []
    for one, group, size in zip(series, groups, standardised, strict=True):
        kept = one[-shortest:] if rng.random() < short_share else one
        static = pd.DataFrame({"group": [group], "size": [size]}, dtype=np.float32)
        panel.append(_with_gaps(kept, missing_share, rng).with_static_covariates(static))
        futures.append(_holidays(kept, country, n_beyond))
    return Panel(panel, futures, n_groups=3)


def _with_gaps(series: TimeSeries, share: float, rng: np.random.Generator) -> TimeSeries:
    values = series.values(copy=True)
    n_block = int(share / 2 * len(values))
    start = rng.integers(0, len(values) - n_block + 1)
    values[start : start + n_block] = np.nan
    values[rng.random(len(values)) < share / 2] = np.nan
    return series.with_values(values)


def _holidays(series: TimeSeries, country: str, n_beyond: int) -> TimeSeries:
    """Count the holidays in each step; a step shorter than a day has those of its day."""
    steps = pd.date_range(series.start_time(), periods=len(series) + n_beyond + 1, freq=series.freq)
    days = pd.date_range(steps[0].normalize(), steps[-1].normalize(), freq="D")
    is_holiday = holidays_timeseries(days, country).values()[:, 0]
    first = days.searchsorted(steps[:-1].normalize())
    behind = np.maximum(days.searchsorted(steps[1:].normalize()), first + 1)
    total = np.concatenate([[0.0], is_holiday.cumsum()])
    counts = (total[behind] - total[first]).astype(np.float32)
    return TimeSeries(steps[:-1], counts[:, None], components=["holidays"])
