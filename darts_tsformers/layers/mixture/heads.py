"""From states of tokens to the parameters of a mixture for each value of the next patch."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.mixture.distribution import N_COMPONENTS, Mixture
from darts_tsformers.layers.mixture.sized_linear import SizedLinear


class MixtureHeads(nn.Module):
    """A linear map for each parameter, brought into its range.

    Parameters
    ----------
    patch_lengths
        Lengths of patches; there is a map for each.
    d_model
        Width of the states.

    Notes
    -----
    The rows of a map are those of a patch for the first component, then for the second, and so on; for patches shorter
    than the longest they are counted by the longest, and those beyond ``4 p`` are zeros. So it is in the authors' code.
    """

    def __init__(self, patch_lengths: Sequence[int], d_model: int) -> None:
        super().__init__()
        self.patch_lengths, self.longest = tuple(patch_lengths), max(patch_lengths)
        names = [name for name in Mixture._fields if name != "log_weights"]
        self.weights = SizedLinear(len(patch_lengths), d_model, N_COMPONENTS * self.longest)
        self.parameters_of = nn.ModuleDict(
            {name: SizedLinear(len(patch_lengths), d_model, self.longest) for name in names}
        )

    def forward(self, states: Float[Tensor, "B n D"], size: int) -> Mixture:
        """Return the mixtures, ``(B, n, p)``, for patches of one length, by its number; in at least float32."""
        length, wide = self.patch_lengths[size], torch.promote_types(states.dtype, torch.float32)
        rows = torch.arange(N_COMPONENTS * self.longest, device=states.device)
        logits = self.weights(states, size).to(wide) * (rows < N_COMPONENTS * length)
        logits = logits.unflatten(-1, (N_COMPONENTS, self.longest))[..., :length].mT
        raw = {name: head(states, size)[..., :length].to(wide) for name, head in self.parameters_of.items()}
        raw |= {name: _positive(raw[name]) for name in ("t_scale", "total_count", "log_scale")}
        raw["df"] = 2 + _positive(raw["df"])
        return Mixture(log_weights=logits.log_softmax(-1), **raw)


def _positive(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    return F.softplus(x).clamp_min(torch.finfo(x.dtype).eps)
