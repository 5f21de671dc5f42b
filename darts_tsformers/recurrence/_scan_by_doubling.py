"""The selective scan in few plain operations: what a compiler, an exporter and a second derivative can follow."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def scan_by_doubling(
    x: Float[Tensor, "B L D"],
    delta: Float[Tensor, "B L D"],
    A: Float[Tensor, "D n"],
    B: Float[Tensor, "B L n"],
    C: Float[Tensor, "B L n"],
    state: Float[Tensor, "B D n"],
) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B D n"]]:
    """Join to each step, in each pass, as many earlier ones as it has joined to it.

    Cost: O(B L D n log L) time; O(B L D n) memory, and as much for each pass where gradients are needed.

    Notes
    -----
    Hillis and Steele, "Data Parallel Algorithms", Communications of the ACM 29, 1986. It divides by nothing, unlike
    cumulative sums of the logarithms, which overflow as soon as a product of decays vanishes.
    """
    decays = torch.exp(delta[..., None] * A)
    entering = (delta * x)[..., None] * B[:, :, None]
    states = entering + decays * F.pad(state[:, None], (0, 0, 0, 0, 0, x.shape[1] - 1))
    reach = 1
    while reach < x.shape[1]:
        states = states + decays * _later(states, reach)
        decays = decays * _later(decays, reach)
        reach *= 2
    return (states @ C[..., None]).squeeze(-1), states[:, -1]


def _later(x: Float[Tensor, "B L D n"], steps: int) -> Float[Tensor, "B L D n"]:
    return F.pad(x[:, :-steps], (0, 0, 0, 0, steps, 0))
