"""What each stage of a hierarchy adds to a forecast."""

from itertools import pairwise

import numpy as np
import xarray as xr

from darts_tsformers.explain.recorded import Recorded


def contributions(part: xr.Dataset) -> list[np.ndarray]:
    """Return what each stage adds, the first one first; with the level they sum to the forecast."""
    sums = [part[name].to_numpy() for name in part.data_vars]
    return [later - earlier for earlier, later in pairwise(sums)]


def stage_shares(e: Recorded) -> list[float]:
    """Return the share of each stage in the sizes of all that they add, a mean over steps and components.

    Each component counts alike, whatever its unit. Empty if no stages were recorded.
    """
    if "stages" not in e.parts:
        return []
    (part,) = e.parts["stages"].values()
    at_level = part.isel(parameter=e.level)
    sizes = np.stack([np.abs(one).mean(axis=(0, 1)) for one in contributions(at_level)])
    shares = sizes / np.maximum(sizes.sum(axis=0), np.finfo(sizes.dtype).tiny)
    return [float(share) for share in shares.mean(axis=1)]
