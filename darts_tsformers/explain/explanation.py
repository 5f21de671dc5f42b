"""What was recorded of a model's forecasts, labelled, and the ways to look at it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from darts import TimeSeries

from darts_tsformers.explain.frames import long_frame
from darts_tsformers.explain.store import Folder
from darts_tsformers.explain.windows import Origin, common_freq, labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(repr=False)
class Explanation:
    """What a model looked at, window by window and layer by layer.

    Axes of time have the first step of each token as their coordinate, counted from the last step seen (0), and next to
    it the last one and the time stamps of both: ``key``, ``key_last``, ``key_start``, ``key_end``. Axes of variables
    have names, and say of which kind each is: ``key_kind``. Heads are numbered from 1.

    Attributes
    ----------
    model
        Name of the model's class.
    parts
        By kind and module path: ``parts["attention"]["encoder.layers.0.attention"]``. See
        :data:`darts_tsformers.recording.KINDS` for what each kind holds.
    origins
        Where each window stands.
    forecasts
        What was forecast, one for each window that did not start from forecasts.
    groups
        For a mechanism of fixed distances what they are, by layer.
    level
        The parameter of the likelihood, by position, that says where the target will be.
    folder
        Where maps are that memory is not to hold.

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
    >>> list(e.parts), e.window_names
    (['attention'], ['89'])
    >>> e.maps["backbone.encoder.layers.0.attention"].dims
    ('window', 'component', 'head', 'query', 'key')
    >>> e.to_frame(layer="backbone.encoder.layers.0.attention").columns[-4:].tolist()
    ['key_last', 'key_start', 'key_end', 'weight']
    """

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

    def summary(self) -> str:
        """Say in words what the model looked at."""
        from darts_tsformers.explain.words import summary

        return summary(self)

    def health(self) -> pd.DataFrame:
        """Return figures of each head, and whether it has collapsed to one key or looks at all alike."""
        from darts_tsformers.explain.findings import model_health

        return model_health(self)

    def plot(self, kind: str | None = None, **options: Any) -> "Figure":
        """Draw a picture.

        Parameters
        ----------
        kind
            ``"attention"``: a heat map; ``"importance"``: bars of the variables, or what part of the look-back is
            attended to; ``"lags"``: attention, the correlation at each delay, or the weight of a delay or mode, by lag;
            ``"mode_attention"``: a heat map by periods; ``"levels"``: what the levels of a wavelet tree add;
            ``"experts"``: what each moving average makes of the trends; ``"decomposition"``: trend and remainder of a
            forecast. By default the first of them that there is something to show of.
        **options
            ``layer`` (a path), ``head`` (from 1), ``window`` (a position), ``component`` (a name), ``top`` (how many
            variables); by default the last layer, means over the rest, and 30 variables.

        Raises
        ------
        ValueError
            If an option does not exist for the picture, or there is nothing of the kind to show.
        """
        from darts_tsformers.explain.plots import plot

        return plot(self, kind, **options)

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
        return f"Explanation(model={self.model!r}, windows={len(self.origins)}, layers: {recorded})"

    def __str__(self) -> str:
        return self.summary()


def _mean_over_windows(weights: xr.DataArray) -> np.ndarray:
    """Average window by window: those on disk are never in memory together."""
    values = weights.to_numpy() if not isinstance(weights.variable.data, np.memmap) else weights.variable.data
    inner = (0,) if "component" in weights.dims else ()
    total = np.zeros([n for dim, n in weights.sizes.items() if dim not in ("window", "component")])
    for one in values:
        total += one.mean(axis=inner, dtype=float) if inner else one
    return np.asarray(total / len(values))
