"""When what was recorded took place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

Time: TypeAlias = pd.Timestamp | int


@dataclass(frozen=True)
class Origin:
    """Where one pass of the network stands.

    Attributes
    ----------
    series
        Position of the series among those given.
    last_seen
        Time of the last step of the look-back.
    freq
        Time from one step to the next.
    n_forecast
        How many of the last steps of the look-back are forecasts of earlier passes.
    """

    series: int
    last_seen: Time
    freq: pd.DateOffset | int
    n_forecast: int = 0

    def times(self, offsets: Sequence[int]) -> np.ndarray:
        """Return the times of steps counted from the last one seen."""
        counts = np.asarray(offsets, dtype=int)
        if isinstance(self.freq, int):
            return np.asarray(self.last_seen + counts * self.freq)
        first = int(counts.min())
        start = pd.Timestamp(self.last_seen) + first * self.freq
        index = pd.date_range(start, periods=int(counts.max()) - first + 1, freq=self.freq)
        return index.to_numpy()[counts - first]


def common_freq(origins: Sequence[Origin]) -> pd.DateOffset | int:
    """Return the time from one step to the next; 1, a plain step, if the origins differ in it."""
    freqs = [origin.freq for origin in origins]
    return freqs[0] if all(freq == freqs[0] for freq in freqs) else 1


def labels(origins: Sequence[Origin]) -> list[str]:
    """Name each window by the last step it saw, and by series or forecast steps where that is not enough."""
    several = len({origin.series for origin in origins}) > 1
    names = []
    for origin in origins:
        name = f"series {origin.series}, {stamp(origin.last_seen)}" if several else stamp(origin.last_seen)
        names.append(f"{name}, {origin.n_forecast} steps forecast" if origin.n_forecast else name)
    return names


def window_coordinates(origins: Sequence[Origin]) -> dict[str, object]:
    """Return what is known of each window, as coordinates."""
    return {
        "window": labels(origins),
        "series": ("window", [origin.series for origin in origins]),
        "last_seen": ("window", np.asarray([origin.last_seen for origin in origins])),
        "steps_forecast": ("window", [origin.n_forecast for origin in origins]),
    }


def stamp(time: object) -> str:
    """Write a time down without the zeros of a day or a minute that is just beginning."""
    if isinstance(time, int | np.integer):
        return str(time)
    text = str(pd.Timestamp(time))  # type: ignore[arg-type]
    return text.removesuffix(":00").removesuffix(" 00:00")


def duration(steps: float, freq: pd.DateOffset | int) -> str:
    """Say how long a number of steps is, in the units of the series: ``"24 h"``, ``"7 days"``, ``"12 months"``."""
    if isinstance(freq, int):
        return _counted(steps, "step")
    code = freq.rule_code.split("-")[0]
    if code == "D":
        return _clock(steps * pd.Timedelta(days=freq.n))
    if isinstance(freq, pd.offsets.Tick):
        return _clock(steps * pd.Timedelta(freq))
    unit = next((word for start, word in _WORDS.items() if code.startswith(start)), None)
    return _counted(steps * freq.n, unit) if unit else _counted(steps, f"step of {freq.freqstr}")


def duration_range(first: float, end: float, freq: pd.DateOffset | int) -> str:
    """Say from how long to how long: ``"4 to 8 h"``, ``"1 day to 2 days"``."""
    start, stop = duration(first, freq), duration(end, freq)
    number, _, unit = start.partition(" ")
    return f"{number if stop.endswith(f' {unit}') else start} to {stop}"


_WORDS = {
    "W": "week",
    "M": "month",
    "BM": "month",
    "Q": "quarter",
    "BQ": "quarter",
    "Y": "year",
    "BY": "year",
    "B": "business day",
}


_CLOCK = (
    (pd.Timedelta(days=1), "day", 2),
    (pd.Timedelta(hours=1), "h", 1),
    (pd.Timedelta(minutes=1), "min", 1),
    (pd.Timedelta(seconds=1), "s", 1),
)


def _clock(span: pd.Timedelta) -> str:
    for one, name, least in _CLOCK:
        is_short = name in ("day", "h") or span < 100 * one
        if span >= least * one and is_short and span % one == pd.Timedelta(0):
            return _counted(span / one, name)
    hours = span / pd.Timedelta(hours=1)
    return f"{hours:.3g} h" if hours >= 1 else f"{span.total_seconds():.3g} s"


def _counted(n: float, unit: str) -> str:
    number = f"{n:.0f}" if float(n).is_integer() else f"{n:.3g}"
    plural = "s" if n != 1 and unit not in ("h", "min", "s") and " of " not in unit else ""
    return f"{number} {unit}{plural}"
