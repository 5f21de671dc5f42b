"""Which frequencies of a signal a layer works on."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.layers.frequency.spectrum import PartialFourier
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recording.layout import Durations

MODE_SELECTIONS = ("lowest", "random")


def record_modes(
    module: nn.Module, spectrum: Float[Tensor, "B 2 m h e"], modes: Int[Tensor, " m"], length: int
) -> None:
    """Record the periods of modes, in steps, with their shares of the energy; that of mode 0, the mean, is infinite."""
    if is_recording("modes"):
        n_mirrored = 1 + (2 * modes % length != 0)  # all but the mean and alternating signs stand for two
        energy = spectrum.float().square().sum((1, 3, 4)) * n_mirrored
        period = (length / modes).expand_as(energy)
        record("modes", module, period=period, weight=energy / energy.sum(-1, keepdim=True).clamp_min(1e-30))


def record_whole_spectrum(module: nn.Module, out: Float[Tensor, "B L D"]) -> None:
    """Record all periods of a sequence with their shares of the energy."""
    if is_recording("modes"):
        length = out.shape[1]
        modes = torch.arange(length // 2 + 1, device=out.device)
        with without_autocast(out):
            spectrum = PartialFourier(modes, length, torch.float32).transform(out.detach().float()[:, :, None])
        record_modes(module, spectrum, modes, length)


def mode_periods(modes: Int[Tensor, " m"], length: int) -> Durations:
    """Return the periods of modes."""
    return Durations(tuple((length / modes).tolist()))


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
