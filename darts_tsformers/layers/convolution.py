"""Convolution over time, of tokens that keep their features last."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_one_of

PADDING_MODES = ("causal", "circular", "replicate")


class TokenConvolution(nn.Module):
    """Convolve tokens over time with a kernel of three steps; the length stays.

    One matrix product on the tokens and their neighbours side by side, which needs no change of layout.

    Parameters
    ----------
    n_in, n_out
        Features of a token before and after.
    padding_mode
        What stands beyond the ends: ``"replicate"`` repeats the first and the last token, ``"circular"`` joins the
        ends, as the authors of Informer do, so that each end leaks into the other; ``"causal"`` looks back only, at
        zeros before the first token.
    bias
        Whether to add a bias.
    """

    def __init__(self, n_in: int, n_out: int, *, padding_mode: str = "replicate", bias: bool = True) -> None:
        super().__init__()
        require_one_of(PADDING_MODES, padding_mode=padding_mode)
        self.padding_mode = padding_mode
        self.linear = nn.Linear(3 * n_in, n_out, bias=bias)

    def forward(self, x: Float[Tensor, "B L N"]) -> Float[Tensor, "B L M"]:
        """Convolve."""
        length = x.shape[1]
        padded = self._padded(x)
        return self.linear(torch.cat([padded[:, i : i + length] for i in range(3)], dim=-1))

    def _padded(self, x: Float[Tensor, "B L N"]) -> Float[Tensor, "B K N"]:
        if self.padding_mode == "causal":
            return F.pad(x, (0, 0, 2, 0))
        before, behind = (x[:, :1], x[:, -1:]) if self.padding_mode == "replicate" else (x[:, -1:], x[:, :1])
        return torch.cat([before, x, behind], dim=1)
