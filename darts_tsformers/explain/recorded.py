"""What was recorded of a model's forecasts, labelled: what findings, words and pictures are made from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from darts import TimeSeries

from darts_tsformers.explain.frames import long_frame
from darts_tsformers.explain.store import Folder
from darts_tsformers.explain.windows import Origin, common_freq, labels


@dataclass(repr=False)
class Recorded:
    """The data of an :class:`~darts_tsformers.explain.Explanation`, which documents them."""

    model: str
    parts: dict[str, dict[str, xr.Dataset]]
    origins: Sequence[Origin]
    forecasts: Sequence[TimeSeries]
    groups: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    level: int = 0
    folder: Folder = field(default_factory=Folder)

    @property
    def maps(self) -> dict[str, xr.DataArray]:
        """Attention maps by layer; ``attrs["exact"]`` says whether they made the output or were reconstructed.

        ``attrs["mixed"]`` says whether the layer lays heads and queries out in each other's place after attention: the
        map is as it was before, so the output of a row did not stay at its query.
        """
        return {
            path: part["weights"].assign_attrs(part.attrs) for path, part in self.parts.get("attention", {}).items()
        }

    @cached_property
    def mean_maps(self) -> dict[str, np.ndarray]:
        """Attention maps by layer, means over windows and components: ``(h, L, M)``."""
        return {path: _mean_over_windows(weights) for path, weights in self.maps.items()}

    @property
    def freq(self) -> pd.DateOffset | int:
        """Time from one step to the next; 1, a plain step, if the series differ in it."""
        return common_freq(self.origins)

    @property
    def window_names(self) -> list[str]:
        """Name of each window, as in the coordinate ``window``."""
        return labels(self.origins)

    def to_frame(self, kind: str = "attention", *, layer: str | None = None, window: int | None = None) -> pd.DataFrame:
        """Return what is known of a kind as a long data frame, one row a value.

        Parameters
        ----------
        kind
            One of those in :attr:`parts`.
        layer
            Path of the layer; all by default.
        window
            Position of the window; all by default.

        Raises
        ------
        ValueError
            If nothing of the kind or the layer was recorded, or there is no such window.
        """
        self.check_window(window)
        return long_frame(self.layers(kind, layer), window)

    def layers(self, kind: str, layer: str | None = None) -> dict[str, xr.Dataset]:
        """Return what was recorded of a kind, of one layer or all.

        Raises
        ------
        ValueError
            If that is nothing.
        """
        if kind not in self.parts:
            raise ValueError(f"kind={kind!r} must be one of those recorded: {list(self.parts)}")
        if layer is None:
            return self.parts[kind]
        if layer not in self.parts[kind]:
            raise ValueError(f"layer={layer!r} must be one of {list(self.parts[kind])}")
        return {layer: self.parts[kind][layer]}

    def check_window(self, window: int | None) -> None:
        """Raise ``ValueError`` if there is no such window."""
        if window is not None and not 0 <= window < len(self.origins):
            raise ValueError(f"window={window} must be from 0 to {len(self.origins) - 1}")

    def __repr__(self) -> str:
        recorded = ", ".join(f"{kind} of {len(by_path)}" for kind, by_path in self.parts.items())
        return f"{type(self).__name__}(model={self.model!r}, windows={len(self.origins)}, layers: {recorded})"


def _mean_over_windows(weights: xr.DataArray) -> np.ndarray:
    """Average window by window: those on disk are never in memory together."""
    values = weights.to_numpy() if not isinstance(weights.variable.data, np.memmap) else weights.variable.data
    inner = (0,) if "component" in weights.dims else ()
    total = np.zeros([n for dim, n in weights.sizes.items() if dim not in ("window", "component")])
    for one in values:
        total += one.mean(axis=inner, dtype=float) if inner else one
    return np.asarray(total / len(values))
