"""Which frequencies of a signal a layer works on."""

import torch
from jaxtyping import Int
from torch import Tensor

from darts_tsformers.layers.checks import require_at_least, require_one_of

MODE_SELECTIONS = ("lowest", "random")


def select_modes(length: int, n_modes: int, *, mode_select: str, generator: torch.Generator) -> Int[Tensor, " m"]:
    r"""Choose the modes of a signal, in ascending order; mode ``j`` makes ``j`` turns over the whole length.

    There are :math:`m = \min(M, \lfloor L / 2 \rfloor)` of them, and at least one. The mode of alternating signs,
    which only even lengths have, is never among them.

    Parameters
    ----------
    length
        Steps of the signal, ``L``.
    n_modes
        Modes asked for, ``M``.
    mode_select
        ``"lowest"``: the modes from 0 on. ``"random"``: drawn without replacement from all below ``L // 2``.
    generator
        Draws the random modes.

    Raises
    ------
    ValueError
        If ``length`` or ``n_modes`` is below 1, or ``mode_select`` is neither of the two.
    """
    require_at_least(1, length=length, n_modes=n_modes)
    require_one_of(MODE_SELECTIONS, mode_select=mode_select)
    available = max(1, length // 2)
    kept = min(n_modes, available)
    if mode_select == "lowest":
        return torch.arange(kept)
    return torch.randperm(available, generator=generator)[:kept].sort().values
