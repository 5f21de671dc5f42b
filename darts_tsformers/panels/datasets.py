"""Panels as data sets of Darts, which any of its torch models can train on and forecast from."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from darts.utils.data import TorchInferenceDataset, TorchTrainingDataset
from darts.utils.data.torch_datasets.utils import TorchInferenceSample, TorchTrainingSample

from darts_tsformers.adapter.forecasting.datasets import with_last_known
from darts_tsformers.checks import require_at_least
from darts_tsformers.panels.batches import WindowBatch
from darts_tsformers.panels.store import Panel
from darts_tsformers.panels.windows import LastWindows, Place, TrainingWindows, WindowSizes, cut

EVERY_KIND = ("past", "future", "static")
"""Kinds of covariates."""


class PanelTrainingDataset(TorchTrainingDataset):
    """All windows of a panel to train on.

    No window is stored: its place follows from its number. A loader that asks for many at once, as PyTorch's do, gets
    them in one piece; with ``collate_fn=as_batch`` no sample is made. A copy for another process has the path of the
    panel and no values.

    Parameters
    ----------
    panel, sizes
        What is cut, and into what.
    stride
        Steps between two windows of a series.
    leave_out
        Steps at the end of each series that no window reaches into.
    last
        Steps before those that whole forecasts have to lie in, to validate on; None for no such rule.
    kinds
        Covariates that windows show, of those that the panel has.

    Raises
    ------
    ValueError
        If a number is too small, or no series is long enough for a window.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers.panels import Panel, PanelTrainingDataset, WindowSizes
    >>> table = pd.DataFrame({"id": [0] * 7, "t": range(7), "y": np.arange(7.0)})
    >>> panel = Panel.from_pandas(table, id="id", time="t", target="y")
    >>> dataset = PanelTrainingDataset(panel, WindowSizes(lookback=3, shortest_lookback=3, horizon=2))
    >>> len(dataset), dataset[0].past_target.ravel().tolist(), dataset[0].future_target.ravel().tolist()
    (3, [2.0, 3.0, 4.0], [5.0, 6.0])
    """

    def __init__(
        self,
        panel: Panel,
        sizes: WindowSizes,
        *,
        stride: int = 1,
        leave_out: int = 0,
        last: int | None = None,
        kinds: Sequence[str] = EVERY_KIND,
    ) -> None:
        super().__init__()
        require_at_least(1, stride=stride)
        require_at_least(0, leave_out=leave_out)
        if last is not None:
            require_at_least(sizes.horizon, last=last)
        self._panel, self._sizes, self._kinds = panel, sizes, tuple(kinds)
        self._how: dict[str, Any] = {"stride": stride, "leave_out": leave_out, "last": last}
        if len(self) == 0:
            raise ValueError(
                f"no series of the panel has the {sizes.needed + leave_out} steps that a window needs "
                f"(leave_out={leave_out} of them at the end)"
            )

    @cached_property
    def _windows(self) -> TrainingWindows:
        return TrainingWindows(self._panel, self._sizes, **self._how)

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> TorchTrainingSample:
        """Return one window."""
        sample: TorchTrainingSample = self.__getitems__([index])[0]
        return sample

    def __getitems__(self, indices: Sequence[int]) -> WindowBatch:
        """Return windows in one piece."""
        return WindowBatch(_joined(self._windows, indices, self._cut))

    def _cut(self, place: Place) -> dict[str, np.ndarray]:
        sizes = self._sizes
        found = _looked_back_on(place, sizes.lookback, self._kinds)
        first = place.offsets + place.ends + sizes.shift
        ahead = {"future_target": "target", "sample_weight": "weight"}
        if "future" in self._kinds:
            ahead["future_covariates"] = "future"
        for name, role in ahead.items():
            values = place.shard.values(role)
            if values is not None:
                found[name] = cut(values, first, sizes.horizon, place.offsets)
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed anew."""
        return {name: value for name, value in vars(self).items() if name != "_windows"}


class PanelInferenceDataset(TorchInferenceDataset):
    """The last window of each series of a panel, to forecast from.

    Parameters
    ----------
    panel, sizes
        What is cut, and into what.
    n
        Steps to forecast.
    series
        Numbers of the series, ``(S,)``; None for all.
    cut
        Steps at the end of each series that count as future, for forecasts of what is known already.
    kinds
        Covariates that windows show, of those that the panel has.
    begins_with_series
        Whether the model sees nothing before the first step of a series that is shorter than the look-back.

    Raises
    ------
    ValueError
        If a series is too short, or its covariates do not reach far enough; the message names it. On access, if a
        future covariate is NaN at a step to forecast.

    Examples
    --------
    >>> import pandas as pd
    >>> from darts_tsformers.panels import Panel, PanelInferenceDataset, WindowSizes
    >>> table = pd.DataFrame({"id": [0] * 7, "t": range(7), "y": range(7)})
    >>> panel = Panel.from_pandas(table, id="id", time="t", target="y")
    >>> dataset = PanelInferenceDataset(panel, WindowSizes(lookback=3, shortest_lookback=3, horizon=2), n=2)
    >>> dataset[0].past_target.ravel().tolist(), dataset[0].pred_time
    ([4.0, 5.0, 6.0], 7)
    """

    def __init__(
        self,
        panel: Panel,
        sizes: WindowSizes,
        n: int,
        *,
        series: np.ndarray | None = None,
        cut: int = 0,
        kinds: Sequence[str] = EVERY_KIND,
        begins_with_series: bool = False,
    ) -> None:
        super().__init__()
        require_at_least(1, n=n)
        require_at_least(0, cut=cut)
        self._panel, self._sizes, self._n, self._kinds = panel, sizes, n, tuple(kinds)
        self._windows = LastWindows(panel, np.arange(len(panel)) if series is None else series, cut)
        self._begins_with_series = begins_with_series
        self._ahead = max(n, sizes.horizon)
        self._rolled = max(n - sizes.horizon, 0)
        for place in self._windows.find(np.arange(len(self))):
            self._check(place)

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> TorchInferenceSample:
        """Return one window."""
        sample: TorchInferenceSample = self.__getitems__([index])[0]
        return sample

    def __getitems__(self, indices: Sequence[int]) -> WindowBatch:
        """Return windows in one piece."""
        return WindowBatch(_joined(self._windows, indices, self._cut), partial(self._forecast, indices))

    def position(self, index: int) -> tuple[Any, int]:
        """Return the id of a series, and after how many steps of it its look-back ends."""
        (place,) = self._windows.find(np.array([index]))
        return place.shard.ids[int(place.series[0])].as_py(), int(place.ends[0])

    def _cut(self, place: Place) -> dict[str, np.ndarray]:
        sizes = self._sizes
        found = _looked_back_on(place, sizes.lookback, self._kinds)
        ends = place.offsets + place.ends
        past, future = place.shard.values("past"), place.shard.values("future")
        if "past" in self._kinds and past is not None and self._rolled > 0:
            found["future_past_covariates"] = cut(past, ends, self._rolled, place.offsets)
        if "future" in self._kinds and future is not None:
            ahead = cut(future, ends + sizes.shift, self._ahead, place.offsets)
            self._require_known(ahead, place)
            found["future_covariates"] = ahead
        found["past_target"] = self._with_last_known(found["past_target"], place)
        return found

    def _with_last_known(self, target: np.ndarray, place: Place) -> np.ndarray:
        """Show the last known level of components without any observation in their window."""
        blind = np.isnan(target).all(axis=1).any(axis=1)
        if self._begins_with_series:
            blind &= place.ends >= self._sizes.lookback
        values = place.shard.values("target")
        assert values is not None
        for i in np.flatnonzero(blind):
            first = int(place.offsets[i])
            target[i] = with_last_known(target[i], values[first : first + int(place.ends[i])])
        return target

    def _require_known(self, ahead: np.ndarray, place: Place) -> None:
        unknown = np.argwhere(np.isnan(ahead[:, : self._n]))
        if len(unknown) > 0:
            i, step, component = unknown[0]
            position = int(place.shard.starts[place.series[i]] + place.ends[i]) + self._sizes.shift + int(step)
            schema, id = self._panel.schema, place.shard.ids[int(place.series[i])].as_py()
            raise ValueError(
                f"future covariate {schema.columns.future[component]!r} of series {id!r} is NaN at "
                f"{schema.axis.stamp(position)}, a step to forecast; future covariates must be known there"
            )

    def _check(self, place: Place) -> None:
        """Raise ``ValueError`` if the windows of some series cannot be cut."""
        shortest = self._sizes.shortest_lookback
        rows = place.shard.lengths[place.series]
        reach = place.ends
        columns = self._panel.schema.columns
        if "past" in self._kinds and columns.past and self._rolled > 0:
            reach = place.ends + self._rolled
        if "future" in self._kinds and columns.future:
            reach = np.maximum(reach, place.ends + self._sizes.shift + self._ahead)
        self._refuse(place, place.ends < shortest, f"has fewer than the {shortest} steps that a forecast needs")
        self._refuse(place, reach > rows, f"has covariates that end before the {self._n} steps to forecast")

    def _refuse(self, place: Place, is_bad: np.ndarray, rule: str) -> None:
        if is_bad.any():
            id = place.shard.ids[int(place.series[is_bad.argmax()])].as_py()
            raise ValueError(f"series {id!r} {rule}")

    def _forecast(self, indices: Sequence[int], i: int) -> dict[str, Any]:
        """Return what Darts makes a series of a forecast by."""
        (place,) = self._windows.find(np.asarray(indices)[[i]])
        number = int(place.series[0])
        series = self._panel[place.shard.ids[number].as_py()].target
        start = int(place.shard.starts[number] + place.ends[0]) + self._sizes.shift
        return {"series_schema": series.schema(copy=False), "pred_time": self._panel.schema.axis.stamp(start)}


def _looked_back_on(place: Place, lookback: int, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    names = {"past_target": "target"}
    names |= {"past_covariates": "past"} if "past" in kinds else {}
    names |= {"historic_future_covariates": "future"} if "future" in kinds else {}
    first = place.offsets + place.ends - lookback
    found = {}
    for name, role in names.items():
        values = place.shard.values(role)
        if values is not None:
            found[name] = cut(values, first, lookback, place.offsets)
    if "static" in kinds and place.shard.static.shape[1] > 0:
        found["static_covariates"] = place.shard.static[place.series][:, None]
    return found


def _joined(
    windows: TrainingWindows | LastWindows, indices: Sequence[int], cut_at: Callable[[Place], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Cut windows shard by shard, and put them in the order in which they were asked for."""
    wanted = np.asarray(indices, np.int64)
    places = list(windows.find(wanted))
    parts = [cut_at(place) for place in places]
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([place.rows for place in places]))
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
