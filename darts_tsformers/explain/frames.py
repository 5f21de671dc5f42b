"""Labelled arrays as long data frames."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

_KNOWN = ("last", "start", "end", "kind", "duration")


def long_frame(parts: Mapping[str, xr.Dataset], window: int | None) -> pd.DataFrame:
    """Lay out one row for each value, with the layer it is of and what its coordinates say."""
    frames = []
    for path, part in parts.items():
        chosen = part if window is None else part.isel(window=[window])
        frame = _frame(chosen)
        frames.append(frame.assign(layer=path)[["layer", *frame.columns]])
    whole = pd.concat(frames, ignore_index=True)
    return whole.astype({"layer": "category"})


def _frame(part: xr.Dataset) -> pd.DataFrame:
    """Spread coordinates and values over the product of the axes."""
    dims = next(iter(part.data_vars.values())).dims
    sizes = tuple(part.sizes[dim] for dim in dims)
    columns: dict[str, np.ndarray] = {}
    for name in _in_order(part, tuple(str(dim) for dim in dims)):
        coordinate = part.coords[name]
        where = [dims.index(dim) for dim in coordinate.dims]
        shape = [sizes[i] if i in where else 1 for i in range(len(dims))]
        columns[name] = np.broadcast_to(coordinate.to_numpy().reshape(shape), sizes).ravel()
    for variable, values in part.data_vars.items():
        columns["weight" if variable == "weights" else str(variable)] = values.to_numpy().ravel()  # one in each row
    return pd.DataFrame(columns)


def _in_order(part: xr.Dataset, dims: tuple[str, ...]) -> list[str]:
    """Return the coordinates: those of the windows first, each axis followed by what else is known of it."""
    names = ["window", "series", "last_seen", "steps_forecast"]
    for dim in dims[1:]:
        names += [dim, *(name for name in (f"{dim}_{what}" for what in _KNOWN) if name in part.coords)]
    return names
