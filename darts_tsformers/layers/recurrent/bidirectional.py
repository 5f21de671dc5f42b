"""Two Mamba blocks over one sequence, one from each end."""

from typing import ClassVar

import torch
from einops import reduce
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.layers.recurrent.mamba import MambaBlock
from darts_tsformers.recording import is_recording, record


class BidirectionalMamba(nn.Module):
    r"""Mix tokens that have no direction: each takes part of those before it and of those after it.

    .. math:: y = \mathrm{Mamba}(x) + \mathrm{flip}\left(\mathrm{Mamba}'(\mathrm{flip}(x))\right)

    Both blocks are whole, with a gate and an output of their own. What a token takes of another one depends on those
    between the two, so the order of the tokens matters.

    Parameters
    ----------
    d_model, d_state, d_conv, expand
        As in :class:`~darts_tsformers.layers.recurrent.mamba.MambaBlock`.

    Attributes
    ----------
    n_heads
        Maps that are recorded: one, the size of both blocks' hidden attention, in rows of sum 1.
    exact_weights
        False: the map is of the scans alone, and has neither the convolution before nor the gate after them.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.bidirectional import BidirectionalMamba
    >>> mixer, x = BidirectionalMamba(d_model=5, d_state=3), torch.randn(2, 7, 5)
    >>> torch.allclose(mixer(x), mixer.onward(x) + mixer.reverse(x.flip(1)).flip(1))
    True
    """

    n_heads: ClassVar[int] = 1
    exact_weights: ClassVar[bool] = False

    def __init__(self, d_model: int, d_state: int = 16, d_conv: int = 2, expand: int = 1) -> None:
        super().__init__()
        self.onward = MambaBlock(d_model, d_state, d_conv, expand)
        self.reverse = MambaBlock(d_model, d_state, d_conv, expand)

    def forward(
        self, x: Float[Tensor, "B N D"], order: Int[Tensor, "B N"] | None = None, n_parts: int = 1
    ) -> Float[Tensor, "B N D"]:
        """Mix the tokens, in the order they come in or in one of each sample; they come out as they came in.

        Where a sample is ``n_parts`` rows of the batch, one after the other, what is recorded of it is their mean.
        """
        if is_recording():
            self._record(x, order, n_parts)
        return self.mix(x, order)

    def mix(self, x: Float[Tensor, "B N D"], order: Int[Tensor, "B N"] | None = None) -> Float[Tensor, "B N D"]:
        """Mix the tokens as ``forward`` does, and record nothing."""
        x = in_order(x, order)
        return in_order(self.onward(x) + self.reverse(x.flip(1)).flip(1), order_back(order))

    def _record(self, x: Float[Tensor, "B N D"], order: Int[Tensor, "B N"] | None, n_parts: int) -> None:
        x, back = in_order(x, order), order_back(order)
        if is_recording("attention"):
            sizes = self.onward.attention_size(x) + self.reverse.attention_size(x.flip(1)).flip(1, 2)
            weights = in_rows_of_one(in_order(in_order(sizes, back).mT, back).mT)
            record("attention", self, weights=reduce(weights, "(B p) N M -> B 1 N M", "mean", p=n_parts))
        if is_recording("steps"):
            lengths = (self.onward.step_lengths(x) + self.reverse.step_lengths(x.flip(1)).flip(1)) / 2
            record("steps", self, length=reduce(in_order(lengths, back), "(B p) N -> B N", "mean", p=n_parts))


def order_back(order: Int[Tensor, "B N"] | None) -> Int[Tensor, "B N"] | None:
    """Return the order that brings tokens back from an order."""
    return None if order is None else order.argsort(dim=1)


def in_rows_of_one(sizes: Float[Tensor, "B N M"]) -> Float[Tensor, "B N M"]:
    """Scale each row of a map to a sum of 1."""
    return sizes / sizes.sum(-1, keepdim=True).clamp_min(torch.finfo(sizes.dtype).tiny)


def in_order(x: Float[Tensor, "B N *D"], order: Int[Tensor, "B N"] | None) -> Float[Tensor, "B N *D"]:
    """Put the tokens of each sample in an order; as they are for None."""
    if order is None:
        return x
    return x.gather(1, order.view(*order.shape, *[1] * (x.ndim - 2)).expand_as(x))
