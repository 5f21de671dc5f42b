"""Attention by features: what queries and keys are made of is multiplied, so that sums over keys are taken once."""

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention._base import Attention
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.execution.tracing import is_traced

BLOCK = 32  # steps that a causal form compares with each other; sums of those before come from whole blocks
ELEMENTS = 2**19  # features to work on at once: larger tensors wait for memory, and are given back to the system


class FeatureMaps(NamedTuple):
    """How queries and keys become features, and how many."""

    of_queries: Callable[[Tensor], Tensor]
    of_keys: Callable[[Tensor], Tensor]
    n_features: int


class FeatureAttention(Attention):
    r"""Weights in proportion to products of features, which are not negative.

    .. math:: o_i = \frac{\sum_j \phi(q_i)^\top \psi(k_j) \, v_j}{\sum_j \phi(q_i)^\top \psi(k_j) + \epsilon}

    A mechanism of this kind says what its :meth:`feature_maps` are. Sums run in single precision at least, a few heads
    at a time.
    """

    epsilon: float = 0.0

    @abstractmethod
    def feature_maps(self, q: Float[Tensor, "*h L e"], *, causal: bool) -> FeatureMaps:
        """Return the maps for queries like these; when causal, the features of a step depend on no other one."""

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
        maps = self.feature_maps(q, causal=causal)
        with without_autocast(q):
            out = self._attend(q, k, v, maps, causal=causal)
            weights = self._weights(q, k, maps, causal=causal) if need_weights else None
        return out, weights

    def row(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        row: int,
    ) -> Float[Tensor, "B h 1 f"]:
        """Attend causally from one row alone, with the sums over the keys up to it."""
        seen = slice(row + 1)
        maps = self.feature_maps(q, causal=True)
        with without_autocast(q):
            return self._attend(q[..., row : row + 1, :], k[..., seen, :], v[..., seen, :], maps, causal=False)

    def _attend(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        maps: FeatureMaps,
        *,
        causal: bool,
    ) -> Float[Tensor, "B h L f"]:
        def whole(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            features = maps.of_queries(queries), maps.of_keys(keys)
            return attend_by_features(*features, values, causal=causal, epsilon=self.epsilon)

        heads = [widened(t) for t in (q, k, v)]
        if is_traced():
            return whole(*heads).to(v.dtype)
        few = max(1, ELEMENTS // (maps.n_features * max(q.shape[-2], k.shape[-2])))
        parts = zip(*(torch.split(t.flatten(0, 1), few) for t in heads), strict=True)
        out = torch.cat([whole(*part) for part in parts])
        return rearrange(out, "(B h) L f -> B h L f", h=q.shape[1]).to(v.dtype)

    def _weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], maps: FeatureMaps, *, causal: bool
    ) -> Float[Tensor, "B h L M"]:
        products = maps.of_queries(widened(q)) @ maps.of_keys(widened(k)).mT
        if causal:
            products = products.tril()
        return (products / (products.sum(-1, keepdim=True) + self.epsilon)).to(q.dtype)


def attend_by_features(
    of_queries: Float[Tensor, "*h L m"],
    of_keys: Float[Tensor, "*h M m"],
    v: Float[Tensor, "*h M f"],
    *,
    causal: bool,
    epsilon: float = 0.0,
) -> Float[Tensor, "*h L f"]:
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
    of_queries: Float[Tensor, "*h L m"], of_keys: Float[Tensor, "*h L m"], v: Float[Tensor, "*h L f"]
) -> Float[Tensor, "*h L f"]:
    length = v.shape[-2]
    size = min(BLOCK, length)
    missing = -length % size
    padded = (F.pad(t, (0, 0, 0, missing)) if missing else t for t in (of_queries, of_keys, v))
    queries, keys, values = (rearrange(t, "... (n s) m -> ... n s m", s=size) for t in padded)
    own = (queries @ keys.mT).tril() @ values
    before = F.pad((keys.mT @ values)[..., :-1, :, :], (0, 0, 0, 0, 1, 0)).cumsum(-3)
    return (own + queries @ before).flatten(-3, -2)[..., :length, :]
