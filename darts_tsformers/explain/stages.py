"""What each stage of a hierarchy adds to a forecast."""

from itertools import pairwise

import numpy as np
import xarray as xr

from darts_tsformers.explain.recorded import Recorded


def contributions(part: xr.Dataset) -> list[np.ndarray]:
    """Return what each stage adds, the first one first; with the level they sum to the forecast."""
    sums = [part[name].to_numpy() for name in part.data_vars]
    return [later - earlier for earlier, later in pairwise(sums)]


def stage_names(part: xr.Dataset) -> list[str]:
    """Return what each stage is called: its number, where it has no name of its own."""
    names = [str(name).removeprefix("up_to_") for name in part.data_vars][1:]
    return [f"stage {name}" if name.isdecimal() else name for name in names]


def stage_shares(e: Recorded) -> dict[str, float]:
    """Return the share of each stage in the sizes of all that they add, a mean over steps and components.

    Each component counts alike, whatever its unit. Empty if no stages were recorded.
    """
    if "stages" not in e.parts:
        return {}
    (part,) = e.parts["stages"].values()
    at_level = part.isel(parameter=e.level)
    sizes = np.stack([np.abs(one).mean(axis=(0, 1)) for one in contributions(at_level)])
    shares = sizes / np.maximum(sizes.sum(axis=0), np.finfo(sizes.dtype).tiny)
    return dict(zip(stage_names(part), map(float, shares.mean(axis=1)), strict=True))
