"""Rows that come to a series that is followed, and the covariates that wait for them."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.utils.utils import generate_index, n_steps_between

from darts_tsformers.adapter.checks.names import check_rows

Time = pd.Timestamp | int


def as_rows(name: str, given: Any, width: int, start: Time, freq: Any) -> np.ndarray:
    """Return rows that follow on from ``start``, ``(n, width)``.

    Raises
    ------
    ValueError
        If they are of another width, infinite, or a series that begins elsewhere or has another frequency.
    """
    if isinstance(given, TimeSeries):
        if given.freq != freq:
            raise ValueError(f"{name} has the frequency {given.freq!r}, which must be {freq!r}")
        if given.start_time() != start:
            raise ValueError(f"{name} begins at {given.start_time()}, but must follow on the last row, at {start}")
    return _checked(name, _values(given, width), width)


def _values(given: Any, width: int) -> np.ndarray:
    if isinstance(given, TimeSeries):
        return given.values(copy=False)
    rows = np.asarray(given, dtype=np.float64)
    if rows.ndim < 2:
        return rows.reshape(-1, 1) if width == 1 else rows.reshape(1, -1)
    return rows


def _checked(name: str, rows: np.ndarray, width: int) -> np.ndarray:
    if rows.ndim != 2 or rows.shape[1] != width or len(rows) == 0:
        raise ValueError(f"{name} of shape {rows.shape} must be rows of {width} components, (n, {width})")
    if np.isinf(rows).any():
        raise ValueError(f"{name} has infinite values; what was not observed has to be NaN")
    return rows


class Encodings:
    """What ``add_encoders`` of a model adds to covariates of one kind, at any times.

    Parameters
    ----------
    model
        A fitted model.
    name
        ``"past_covariates"`` or ``"future_covariates"``.

    Raises
    ------
    ValueError
        If there are positions relative to the last row among them.
    """

    def __init__(self, model: Any, name: str) -> None:
        self.kind = name.removesuffix("_covariates")
        self.name = name
        self.encoders = model.encoders
        self.are_used = self.encoders is not None and bool(getattr(self.encoders, f"{self.kind}_encoders"))
        if self.are_used and "position" in (model.add_encoders or {}):
            raise ValueError(
                "add_encoders has 'position', relative to the last row: each new row would change it for all rows; to "
                "stream, train without it"
            )

    def without(self, covariates: TimeSeries | None) -> TimeSeries | None:
        """Return covariates without the encodings that those a model was trained with have already."""
        if covariates is None or not self.are_used:
            return covariates
        components = getattr(self.encoders, f"{self.kind}_components")
        given: TimeSeries | None = self.encoders._drop_encoded_components(covariates, components)
        return given

    def added(self, covariates: TimeSeries) -> TimeSeries:
        """Return covariates with the encodings of their times."""
        return self._encoded(covariates, **{self.name: covariates}) if self.are_used else covariates

    def alone(self, start: Time, freq: Any) -> TimeSeries:
        """Return encodings from a time on, of about as many steps as the look-back."""
        look_back = self.encoders.input_chunk_length
        last = generate_index(start=start + (look_back - 1) * freq, length=1, freq=freq)
        return self._encoded(TimeSeries(last, np.zeros((1, 1))))

    def _encoded(self, target: TimeSeries, **covariates: TimeSeries) -> TimeSeries:
        of_this = {f"encode_{kind}": kind == self.kind for kind in ("past", "future")}
        past, future = self.encoders.encode_inference(n=1, target=target, **covariates, **of_this)
        return past if self.kind == "past" else future


class CovariateRows:
    """Covariates of the steps after the last row, one kind of them, as far as they are known.

    Parameters
    ----------
    encodings
        What the model adds to them.
    width
        Components that are given, 0 if none are.
    components
        Names of all, encodings included.
    rows
        What is known so far, encodings included; None if the model has none of this kind.
    start, freq
        Time of the first row, and the frequency.
    """

    def __init__(
        self,
        encodings: Encodings,
        width: int,
        components: Sequence[str],
        rows: Iterable[np.ndarray] | None,
        start: Time,
        freq: Any,
    ) -> None:
        self.encodings = encodings
        self.width = width
        self.components = components
        self.rows: deque[np.ndarray] | None = None if rows is None else deque(rows)
        self.start = start
        self.freq = freq

    @property
    def name(self) -> str:
        """What the argument is called."""
        return self.encodings.name

    def extended(self, given: Any) -> "CovariateRows":
        """Return these and those given, which replace what was said of the same steps; this is left as it is."""
        if given is None:
            return self
        if self.width == 0:
            raise ValueError(f"{self.name} must be None: the model was trained without them")
        check_rows(self.name, given, list(self.components)[: self.width])
        assert self.rows is not None
        first = len(self.rows)
        if isinstance(given, TimeSeries):
            if given.freq != self.freq:
                raise ValueError(f"{self.name} has the frequency {given.freq!r}, which must be {self.freq!r}")
            first = n_steps_between(given.start_time(), self.start, self.freq)
            if first > len(self.rows):
                raise ValueError(
                    f"{self.name} begins at {given.start_time()}, but must follow on those before, at "
                    f"{self._time(len(self.rows))} or earlier"
                )
        rows = _checked(self.name, _values(given, self.width), self.width)
        times = generate_index(start=self._time(first), length=len(rows), freq=self.freq)
        encoded = self.encodings.added(TimeSeries(times, rows)).values(copy=False)
        known = [*islice(self.rows, max(first, 0)), *encoded[max(-first, 0) :]]
        return CovariateRows(self.encodings, self.width, self.components, known, self.start, self.freq)

    def require(self, n: int) -> None:
        """Raise ``ValueError`` unless ``n`` rows are known, encodings alone aside, which always are."""
        if self.rows is None:
            return
        while self.width == 0 and len(self.rows) < n:
            self.rows.extend(self.encodings.alone(self._time(len(self.rows)), self.freq).values(copy=False))
        if len(self.rows) < n:
            reach = "" if len(self.rows) == 0 else f" and are known to {self._time(len(self.rows) - 1)}"
            raise ValueError(f"{self.name} must be given to {self._time(n - 1)}{reach}")

    def take(self) -> np.ndarray | None:
        """Take out the next row, ``(1, width)``."""
        if self.rows is None:
            return None
        self.start += self.freq
        return self.rows.popleft()[None]

    def ahead(self, first: int, last: int) -> np.ndarray | None:
        """Return the rows from one step on to before another, counted from the next."""
        if self.rows is None:
            return None
        self.require(last)
        return np.stack(list(islice(self.rows, first, last)))

    def require_observed(self, rows: np.ndarray, first: int) -> None:
        """Raise ``ValueError`` if a value is NaN in rows from a step on."""
        if np.isnan(rows).any():
            step, i = np.argwhere(np.isnan(rows))[0]
            raise ValueError(
                f"{self.name} component {self.components[i]!r} is NaN at {self._time(first + step)}, a step to "
                "forecast; it must be known there"
            )

    def _time(self, step: int) -> Time:
        return self.start + int(step) * self.freq
