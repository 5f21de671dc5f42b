"""Attention by features: what queries and keys are made of is multiplied, so that sums over keys are taken once."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention._base import Attention
from darts_tsformers.execution.autocast import without_autocast

BLOCK = 32  # steps that a causal form compares with each other; sums of those before come from whole blocks


class FeatureAttention(Attention):
    r"""Weights in proportion to products of features, which are not negative.

    .. math:: o_i = \frac{\sum_j \phi(q_i)^\top \psi(k_j) \, v_j}{\sum_j \phi(q_i)^\top \psi(k_j) + \epsilon}

    A mechanism of this kind says what its :meth:`features` are. Sums run in single precision at least.
    """

    epsilon: float = 0.0

    @abstractmethod
    def features(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool
    ) -> tuple[Float[Tensor, "B h L m"], Float[Tensor, "B h M m"]]:
        """Return the features of queries and keys; when causal, those of a step depend on no later one."""

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend to all keys, or to those up to the query's own position.

        Raises
        ------
        ValueError
            If ``causal`` and the number of queries differs from that of keys.
        """
        if causal and q.shape[-2] != k.shape[-2]:
            raise ValueError(f"causal=True needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
        with without_autocast(q):
            of_queries, of_keys = self.features(widened(q), widened(k), causal=causal)
            out = attend_by_features(of_queries, of_keys, widened(v), causal=causal, epsilon=self.epsilon).to(v.dtype)
            weights = _weights(of_queries, of_keys, causal, self.epsilon).to(q.dtype) if need_weights else None
        return out, weights

    def row(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        row: int,
    ) -> Float[Tensor, "B h 1 f"]:
        """Attend causally from one row alone, with the sums over the keys up to it."""
        with without_autocast(q):
            of_queries, of_keys = self.features(
                widened(q[..., row : row + 1, :]), widened(k[..., : row + 1, :]), causal=True
            )
            values = widened(v[..., : row + 1, :])
            return attend_by_features(of_queries, of_keys, values, causal=False, epsilon=self.epsilon).to(v.dtype)


def attend_by_features(
    of_queries: Float[Tensor, "B h L m"],
    of_keys: Float[Tensor, "B h M m"],
    v: Float[Tensor, "B h M f"],
    *,
    causal: bool,
    epsilon: float = 0.0,
) -> Float[Tensor, "B h L f"]:
    """Average values by products of features: O((L + M) m f) time, and O((L + M) (m + f)) memory.

    The causal form compares the steps of a block with each other, and with the sums over the blocks before it.
    """
    values = F.pad(v, (0, 1), value=1.0)  # the sum of the weights, in the same product
    sums = _causal_sums(of_queries, of_keys, values) if causal else of_queries @ (of_keys.mT @ values)
    return sums[..., :-1] / (sums[..., -1:] + epsilon)


def widened(x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return a tensor in single precision at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _causal_sums(
    of_queries: Float[Tensor, "B h L m"], of_keys: Float[Tensor, "B h L m"], v: Float[Tensor, "B h L f"]
) -> Float[Tensor, "B h L f"]:
    length = v.shape[-2]
    size = min(BLOCK, length)
    missing = -length % size
    padded = (F.pad(t, (0, 0, 0, missing)) if missing else t for t in (of_queries, of_keys, v))
    queries, keys, values = (rearrange(t, "B h (n s) m -> B h n s m", s=size) for t in padded)
    own = (queries @ keys.mT).tril() @ values
    before = F.pad((keys.mT @ values)[..., :-1, :, :], (0, 0, 0, 0, 1, 0)).cumsum(-3)
    return (own + queries @ before).flatten(-3, -2)[..., :length, :]


def _weights(
    of_queries: Float[Tensor, "B h L m"], of_keys: Float[Tensor, "B h M m"], causal: bool, epsilon: float
) -> Float[Tensor, "B h L M"]:
    products = of_queries @ of_keys.mT
    if causal:
        products = products.tril()
    return products / (products.sum(-1, keepdim=True) + epsilon)
