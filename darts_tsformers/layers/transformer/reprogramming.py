"""Patches said in words: text prototypes drawn from a vocabulary, and attention from patches to them."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.attention import FullAttention
from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.recording import is_recording, record


class TextPrototypes(nn.Module):
    r"""Mixtures of the words of a vocabulary, by learnt weights.

    .. math:: E' = W E + b\,\mathbf{1}^\top

    Parameters
    ----------
    n_words
        Words of the vocabulary (``V``).
    n_prototypes
        Mixtures (``S``).

    Notes
    -----
    Jin et al., "Time-LLM: Time Series Forecasting by Reprogramming Large Language Models", ICLR 2024, section 3.1.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.reprogramming import TextPrototypes
    >>> TextPrototypes(n_words=256, n_prototypes=10)(torch.randn(256, 16)).shape
    torch.Size([10, 16])
    """

    def __init__(self, n_words: int, n_prototypes: int) -> None:
        super().__init__()
        require_at_least(1, n_words=n_words, n_prototypes=n_prototypes)
        self.linear = nn.Linear(n_words, n_prototypes)

    def forward(self, table: Float[Tensor, "V D"]) -> Float[Tensor, "S D"]:
        """Mix the embeddings of the words."""
        return self.linear(table.mT).mT


class FreePrototypes(nn.Module):
    """What stands in for text prototypes where there is no vocabulary: as many learnt vectors.

    Parameters
    ----------
    n_prototypes, d_model
        Vectors, and the width of one (``S``, ``D``).
    """

    def __init__(self, n_prototypes: int, d_model: int) -> None:
        super().__init__()
        require_at_least(1, n_prototypes=n_prototypes, d_model=d_model)
        self.vectors = nn.Parameter(torch.empty(n_prototypes, d_model))
        nn.init.uniform_(self.vectors, -(d_model**-0.5), d_model**-0.5)

    def forward(self) -> Float[Tensor, "S D"]:
        """Return the vectors."""
        return self.vectors


class Reprogramming(nn.Module):
    r"""Multi-head attention from patches to prototypes, with nothing added to it.

    .. math:: Z = \mathrm{concat}_k\!\left[\mathrm{softmax}\!\left(\frac{Q_k K_k^\top}{\sqrt{e}}\right) V_k\right] W_o,
        \qquad Q_k = X W^Q_k, \; K_k = E' W^K_k, \; V_k = E' W^V_k

    Parameters
    ----------
    d_patch, d_model
        Width of a patch, and of prototypes and output (``D``).
    n_heads, d_head
        Heads and the width of one (``h``, ``e``).
    dropout
        On the output; not on the weights, see :class:`~darts_tsformers.attention.FullAttention`.

    Notes
    -----
    Jin et al., ICLR 2024, section 3.1. There ``e`` is ``d_patch / n_heads``; in the authors' code it is a width of its
    own, as here.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.reprogramming import Reprogramming
    >>> layer = Reprogramming(d_patch=8, d_model=16, n_heads=2, d_head=4)
    >>> layer(torch.randn(3, 5, 8), torch.randn(10, 16)).shape
    torch.Size([3, 5, 16])
    """

    def __init__(self, d_patch: int, d_model: int, *, n_heads: int, d_head: int, dropout: float = 0.0) -> None:
        super().__init__()
        require_at_least(1, n_heads=n_heads, d_head=d_head)
        width = n_heads * d_head
        self.n_heads = n_heads
        self.query = nn.Linear(d_patch, width)
        self.key_and_value = nn.Linear(d_model, 2 * width)
        self.project_out = nn.Linear(width, d_model)
        self.dropout = Dropout(dropout)
        self.attend = FullAttention()

    def forward(self, patches: Float[Tensor, "B N d"], prototypes: Float[Tensor, "S D"]) -> Float[Tensor, "B N D"]:
        """Say each patch in terms of the prototypes."""
        q = rearrange(self.query(patches), "B N (h e) -> B h N e", h=self.n_heads)
        k, v = rearrange(self.key_and_value(prototypes), "S (two h e) -> two 1 h S e", two=2, h=self.n_heads)
        k, v = (one.expand(q.shape[0], -1, -1, -1) for one in (k, v))
        out, weights = self.attend(q, k, v, need_weights=is_recording("prototypes"))
        if weights is not None:
            record("prototypes", self, weights=weights)
        projected: Tensor = self.dropout(self.project_out(rearrange(out, "B h N e -> B N (h e)")))
        return projected


def nearest_words(prototypes: Float[Tensor, "S D"], table: Float[Tensor, "V D"], n: int) -> Int[Tensor, "S n"]:
    """Return the words whose embeddings have the largest cosine with each prototype, the nearest first."""
    n = min(n, len(table))
    prototypes, table = (F.normalize(one.detach().float(), dim=-1) for one in (prototypes, table))
    return (prototypes @ table.mT).topk(n, dim=-1).indices
