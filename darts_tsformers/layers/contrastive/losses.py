"""What an encoder and the maker of its views are to become: scalars that are small once they are."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

N_KERNELS = 5
"""Gaussian kernels of :func:`mean_discrepancy`."""
LEAST_CROPS = 4
"""As many as it takes for one that is neither a crop nor beside it."""


def info_nce(
    x: Float[Tensor, "B L D"], view: Float[Tensor, "B L D"], *, temperature: float | int = 1.0
) -> Float[Tensor, ""]:
    """Tell which view is of which series, by the direction of the largest value of each feature over time.

    The views of the others are what it is told from: a batch of one has nothing to learn. O(B^2 D).
    """
    similarity = F.normalize(x.amax(dim=1), dim=-1) @ F.normalize(view.amax(dim=1), dim=-1).mT
    return F.cross_entropy(similarity / temperature, torch.arange(len(x), device=x.device))


def local_info_nce(x: Float[Tensor, "B L D"], *, n_crops: int = 16, start: int = 0) -> Float[Tensor, ""]:
    """Tell which crop of a series comes after which, by the largest value of each feature within it.

    The positive of a crop is the next one, that of the last the one before. It is told from those that are not beside
    it; of the first and the last, from those more than two away.

    Parameters
    ----------
    x
        Vectors of each step; their directions count.
    n_crops
        Crops, all of one length; at most one a step. Fewer than four have nothing to be told from, and give zero.
    start
        Where the first crop begins, at most what the crops leave over.
    """
    length = x.shape[1]
    n_crops = min(n_crops, length)
    if n_crops < LEAST_CROPS:
        return x.sum() * 0
    width = length // n_crops
    used = F.normalize(x, dim=-1)[:, start : start + n_crops * width]
    crops = rearrange(used, "B (n w) D -> B n w D", n=n_crops).amax(dim=2)
    at = torch.arange(n_crops, device=x.device)
    positive = torch.where(at < n_crops - 1, at + 1, at - 1)
    apart = (at[:, None] - at).abs()
    is_end = (at == 0) | (at == n_crops - 1)
    shown = (apart > torch.where(is_end, 2, 1)[:, None]) | (at == positive[:, None])
    similarity = (crops @ crops.mT).masked_fill(~shown, -torch.inf)
    return F.cross_entropy(similarity.flatten(0, 1), positive.repeat(len(x)))


def mean_discrepancy(x: Float[Tensor, "B L D"], view: Float[Tensor, "B L D"]) -> Float[Tensor, ""]:
    r"""Measure how far two sets of series are apart, by the largest value of each feature over time.

    The biased estimate of the squared maximum mean discrepancy under the sum of five Gaussian kernels,
    :math:`\exp(-d^2 / (2^i w / 4))`, with the mean squared distance ``w`` between two of all. No gradient goes through
    ``w``. O(B^2 D), in at least single precision.

    Notes
    -----
    Gretton et al., "A Kernel Two-Sample Test", JMLR 2012.
    """
    points = torch.cat([x.amax(dim=1), view.amax(dim=1)])
    points = points.to(torch.promote_types(points.dtype, torch.float32))
    n = len(points)
    norms = points.square().sum(dim=-1)
    distance = (norms[:, None] + norms - 2 * points @ points.mT).clamp_min(0)
    width = (distance.detach().sum() / (n * n - n) / 4).clamp_min(torch.finfo(points.dtype).tiny)
    kernel = torch.stack([torch.exp(-distance / (width * 2**i)) for i in range(N_KERNELS)]).sum(dim=0)
    side = torch.cat([points.new_ones(len(x)), -points.new_ones(len(view))])
    return (side @ kernel @ side / len(x) ** 2).to(x.dtype)


def excess(kept: Float[Tensor, "*S"], share: float | int) -> Float[Tensor, ""]:
    """Return by how much more than a share is kept, on average."""
    return F.relu(kept.mean() - share)


def consistency(
    kept: Float[Tensor, "B L N"], centres: Int[Tensor, "B T"], others: Int[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Return how unlike its neighbours a mask is, and how like steps further off.

    A step and another one that is not beside it are to differ, by as much as masks can.

    Parameters
    ----------
    kept
        The mask, from 0 to 1, of each series by its own.
    centres
        Steps that have one before and one after.
    others
        Steps to compare each of these with.
    """
    near, far = differences(kept, centres, others)
    beside = (centres - others).abs() <= 1
    return (near + torch.where(beside[..., None], far, 1 - far)).mean()


def differences(
    kept: Float[Tensor, "B L N"], centres: Int[Tensor, "B T"], others: Int[Tensor, "B T"]
) -> tuple[Float[Tensor, "B T N"], Float[Tensor, "B T N"]]:
    """Return by how much a mask differs from the two steps beside each centre, and from the other one."""

    def at(steps: Int[Tensor, "B T"]) -> Float[Tensor, "B T N"]:
        return kept.gather(1, steps[..., None].expand(-1, -1, kept.shape[-1]))

    centre = at(centres)
    near = (centre - at(centres - 1)).abs() + (centre - at(centres + 1)).abs()
    return near, (centre - at(others)).abs()
