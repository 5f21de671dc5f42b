"""From arrays to data with time stamps, spans and names."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from torch import nn

from darts_tsformers.adapter.forecasting.datasets import ObservedInferenceDataset
from darts_tsformers.attention import Attention
from darts_tsformers.explain.windows import Origin, common_freq, duration, window_coordinates
from darts_tsformers.layers.decomposition.learned import PARTS
from darts_tsformers.networks import Network
from darts_tsformers.recording.layout import (
    Axis,
    Durations,
    HasDurations,
    Layout,
    NamedAxis,
    TimeAxis,
    VariableAxis,
    horizon,
    look_back,
)

_WITHOUT_TOKENS = {
    "delays": ("rank",),
    "correlation": ("lag",),
    "modes": ("rank",),
    "mode_attention": ("head", "query", "key"),
    "levels": ("level",),
    "skips": ("mixer", "depth"),
    "responses": ("kernel", "lag"),
    "prompts": ("part", "prompt"),
}
_TOKENS = {
    "attention": ("query", "key"),
    "queries": ("query",),
    "gates": ("time",),
    "experts": ("time",),
    "routing": ("time", "expert"),
    "prototypes": ("time", "prototype"),
    "prompt": ("time",),
    "steps": ("token",),
    "memory": ("time", "memory"),
}
_OVER_TIME = {"guidance": look_back, "spread": horizon, "mask": look_back}
_NAMED = {"mixer": ("time", "variates"), "part": PARTS}
_BY_HEAD = ("attention", "queries", "prototypes", "prompt")


@dataclass(frozen=True)
class Labels:
    """What names the axes of all that one explanation holds.

    Attributes
    ----------
    network
        Says what its tokens stand for.
    origins
        Where each window stands.
    names
        Names of the variables of each kind: ``"target"``, ``"past"``, ``"future"``, ``"static"``.
    """

    network: Network
    origins: Sequence[Origin]
    names: Mapping[str, Sequence[str]]

    def dataset(self, kind: str, path: str, module: nn.Module, arrays: Mapping[str, np.ndarray]) -> xr.Dataset:
        """Label what one module recorded of a kind.

        Raises
        ------
        ValueError
            If the network does not say what the tokens of the module stand for, or they are of another number.
        """
        dims, axes = self._axes(kind, path, module)
        parts = {name: (dims, array) for name, array in arrays.items()}
        shape = next(iter(arrays.values())).shape
        if len(shape) != len(dims):
            raise ValueError(f"{path!r} recorded {kind!r} with the shape {shape}, which must have the axes {dims}")
        coordinates = window_coordinates(self.origins)
        for dim, n in zip(dims[1:], shape[1:], strict=True):
            found = self._coordinates(dim, axes.get(dim), n)
            if len(found[dim][1]) != n:
                raise ValueError(
                    f"{type(self.network).__name__}.layouts() gives {len(found[dim][1])} tokens to the {dim} axis of "
                    f"{path!r}, which has {n}"
                )
            coordinates |= found
        return xr.Dataset(parts, coords=coordinates, attrs={"layer": path} | _mechanism(module))

    def _axes(self, kind: str, path: str, module: nn.Module) -> tuple[tuple[str, ...], dict[str, Axis]]:
        """Return the names of all axes, and what those of tokens and lengths of time stand for."""
        if kind in ("trend", "stages"):
            axis: dict[str, Axis] = {"time": horizon(self.network.sizes), "component": VariableAxis(("target",))}
            return ("window", "time", "component", "parameter"), axis
        if kind in _OVER_TIME:
            over = _OVER_TIME[kind](self.network.sizes)
            return ("window", "time", "component"), {"time": over, "component": VariableAxis(("target",))}
        own: dict[str, Axis] = dict(module.durations()) if isinstance(module, HasDurations) else {}
        known = self.network.layouts().get(path)
        component = ("component",) if known and known.per_component else ()
        if kind in _WITHOUT_TOKENS:
            return ("window", *component, *_WITHOUT_TOKENS[kind]), own
        layout = self._layout(kind, path)
        if kind == "variables":
            names = tuple("time" if isinstance(axis, TimeAxis) else "variable" for axis in layout.axes)
        else:
            names = _TOKENS[kind]
        dims = (*component, *(("head",) if kind in _BY_HEAD else ()), *names)
        own |= dict(zip(names, layout.axes, strict=False))
        return ("window", *dims, *(("kernel",) if kind == "experts" else ())), own

    def _layout(self, kind: str, path: str) -> Layout:
        layout = self.network.layouts().get(path)
        if layout is None:
            raise ValueError(
                f"{type(self.network).__name__}.layouts() must say what the tokens of {path!r} stand for: "
                f"it recorded {kind!r}"
            )
        return layout

    def _names_of(self, kind: str) -> Sequence[str]:
        return ("position",) if kind == "position" else self.names.get(kind, ())

    def _coordinates(self, dim: str, axis: Axis | None, n: int) -> dict[str, tuple[Any, Any]]:
        if isinstance(axis, TimeAxis):
            return {
                dim: (dim, list(axis.first)),
                f"{dim}_last": (dim, list(axis.last)),
                f"{dim}_start": (("window", dim), np.stack([origin.times(axis.first) for origin in self.origins])),
                f"{dim}_end": (("window", dim), np.stack([origin.times(axis.last) for origin in self.origins])),
            }
        if isinstance(axis, VariableAxis):
            named = [(kind, name) for kind in axis.kinds for name in self._names_of(kind)]
            if axis.kinds == ("static",) and len(named) != n:  # categories and rows of components make several of one
                named = [("static", f"static feature {i}") for i in range(1, n + 1)]
            kinds = [kind for kind, _ in named]
            return {dim: (dim, [name for _, name in named]), f"{dim}_kind": (dim, kinds)}
        if isinstance(axis, NamedAxis):
            return {dim: (dim, list(axis.names()))}
        if dim == "lag":
            axis = Durations(tuple(range(n)))
        if isinstance(axis, Durations):
            return {dim: (dim, list(axis.steps)), f"{dim}_duration": (dim, self._in_words(axis))}
        if dim == "component":
            return {dim: (dim, list(self.names["target"]))}
        counted = range(n) if dim == "depth" else range(1, n + 1)
        return {dim: (dim, list(_NAMED.get(dim, counted)))}

    def _in_words(self, lengths: Durations) -> list[str]:
        """Say how long each length is, in the units of the series; an infinite period is that of a mean."""
        freq = common_freq(self.origins)
        words = [duration(steps, freq) if math.isfinite(steps) else "mean" for steps in lengths.steps]
        return [*words[:-1], f"{words[-1]} or longer"] if lengths.open_ended else words


def _mechanism(module: nn.Module) -> dict[str, object]:
    """Return what there is to know of the mechanism of a layer."""
    mechanism = getattr(module, "mechanism", None)
    if not isinstance(mechanism, Attention):
        exact = bool(getattr(module, "exact_weights", True))
        return {"mechanism": type(module).__name__, "exact": exact, "mixed": False}
    mixed = bool(getattr(module, "mix", False))
    return {"mechanism": type(mechanism).__name__, "exact": mechanism.exact_weights, "mixed": mixed}


def variable_names(dataset: ObservedInferenceDataset) -> dict[str, list[str]]:
    """Return the names of all variables of the windows that a model is given, those of encoders included."""
    names = {"target": common_names([one.components for one in dataset.series], "target")}
    for kind, given in (("past", dataset.past_covariates), ("future", dataset.future_covariates)):
        if given is not None:
            names[kind] = common_names([one.components for one in given], f"{kind} covariate")
    if dataset.uses_static_covariates_covariates:
        names["static"] = common_names([one.static_covariates.columns for one in dataset.series], "static covariate")
    return names


def common_names(names: Sequence[Sequence[str]], kind: str) -> list[str]:
    """Return the names that all series share; where they differ, positions that say so."""
    first = [str(name) for name in names[0]]
    if all([str(name) for name in other] == first for other in names):
        return first
    return [f"{kind} {i}" for i in range(1, len(first) + 1)]
