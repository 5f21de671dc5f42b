"""Convolution over time, of tokens that keep their features last."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
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


class CausalConvolution(TokenConvolution):
    """A :class:`TokenConvolution` that looks back only, and can go on token by token.

    Parameters
    ----------
    n_in, n_out
        Features of a token before and after.
    bias
        Whether to add a bias.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.convolution import CausalConvolution
    >>> convolution, x = CausalConvolution(3, 5), torch.randn(2, 8, 3)  # (B, L, N)
    >>> _, kept = convolution.begin(x[:, :7])
    >>> y, kept = convolution.advance(x[:, 7:], kept)
    >>> torch.allclose(y, convolution(x)[:, 7:], atol=1e-6)
    True
    """

    def __init__(self, n_in: int, n_out: int, *, bias: bool = True) -> None:
        super().__init__(n_in, n_out, padding_mode="causal", bias=bias)

    def forward(self, x: Float[Tensor, "B L N"], mask: Bool[Tensor, "B L"] | None = None) -> Float[Tensor, "B L M"]:
        """Convolve; a token that ``mask`` says is not there counts as zero."""
        return super().forward(_those_there(x, mask))

    def begin(
        self, x: Float[Tensor, "B L N"], mask: Bool[Tensor, "B L"] | None = None
    ) -> tuple[Float[Tensor, "B L M"], Float[Tensor, "B 2 N"]]:
        """Convolve, and keep what :meth:`advance` needs to go on."""
        return self(x, mask), F.pad(_those_there(x, mask), (0, 0, 2, 0))[:, -2:]

    def advance(
        self, x: Float[Tensor, "B 1 N"], kept: Float[Tensor, "B 2 N"]
    ) -> tuple[Float[Tensor, "B 1 M"], Float[Tensor, "B 2 N"]]:
        """Convolve one more token."""
        tokens = torch.cat([kept, x], dim=1)
        return self.linear(tokens.flatten(1))[:, None], tokens[:, 1:]


def _those_there(x: Float[Tensor, "B L N"], mask: Bool[Tensor, "B L"] | None) -> Float[Tensor, "B L N"]:
    return x if mask is None else x.masked_fill(~mask[..., None], 0)
