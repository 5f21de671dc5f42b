"""Reformer: each token attends to those that a hash puts near it."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from darts_tsformers.attention._base import Attention
from darts_tsformers.checks import require_at_least, require_flag
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.execution.cache import parts
from darts_tsformers.execution.tracing import is_traced

EVALUATION_SEED = 0
SELF = -5e4  # the score of a token for itself: it attends there if there is nothing else
WHOLE = 64  # buckets that one rotation is to tell apart; more are told apart by two

Count = Callable[[Int[Tensor, "N c m R"], Int[Tensor, "N c m R"]], Float[Tensor, "N c m k"]]


class ReformerAttention(Attention):
    r"""Attention among tokens that fall into one bucket of a hash, or near it.

    .. math::

        b(x) = \mathrm{arg\,max}\,[x R; -x R], \qquad
        o_i = \sum_{j} \mathrm{softmax}_j\!\left(\frac{x_i^\top x_j}{\|x_j\| \sqrt{e}}\right) v_j

    with R random, and queries and keys the same tokens x. Tokens are sorted by bucket and then by time, and cut into
    chunks; each attends to its own chunk and to the one before. That is done in several rounds, each with another R,
    and the rounds are weighed by the sums of their exponentials. The chunk before the first of a round is the last of
    the round before. A token attends to itself only if it meets no other.

    The hash of a token knows nothing of other samples. In evaluation R is the same each time; in training it is drawn
    anew. A token whose two largest rotated coordinates rounding cannot tell apart may fall into either bucket, which
    in float32 befalls about one in a million; within a bucket the order is that of time.

    Causal rows attend to earlier tokens alone, but which of them share their chunk depends on how many tokens fell into
    the buckets, later ones included: it is not ``strictly_causal``.

    Cost: O(n L (e sqrt(L / m) + m e)) time with n rounds and chunks of m tokens, O(n L (m + e)) memory, and a sort.

    Parameters
    ----------
    bucket_size
        Tokens ``m`` of a chunk. With a bucket of all tokens this is exact attention of shared queries and keys.
    n_rounds
        Rounds of hashing ``n``.
    across
        Whether a token attends to all tokens of its two chunks, or only to those of its own bucket.
    once
        Whether a key that a token meets several times counts once.

    Raises
    ------
    ValueError
        If an argument is none of the above.

    Notes
    -----
    Kitaev et al., "Reformer: The Efficient Transformer", ICLR 2020, section 2, with the conventions of
    reformer-pytorch, such as the scores -50,000 for a token itself. Deviations: a layer brings queries and keys of
    their own, of which the mean is taken: a layer with one projection. More than 64 buckets are told apart by two
    rotations of fewer axes, as in transformers, since the cost of one would grow as :math:`L^2`. Any length will do.
    With ``once``, reformer-pytorch counts what is met across the border of two rounds as never met, which makes such
    a key weigh a billion times as much; here it counts as it is met.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import ReformerAttention
    >>> q, k, v = torch.randn(3, 2, 4, 100, 5)  # each (B, h, L, e)
    >>> out, _ = ReformerAttention(bucket_size=16)(q, k, v, causal=True)
    >>> out.shape
    torch.Size([2, 4, 100, 5])
    """

    strictly_causal: ClassVar[bool] = False
    supports_cross: ClassVar[bool] = False  # queries are keys

    def __init__(self, bucket_size: int = 32, n_rounds: int = 2, *, across: bool = True, once: bool = False) -> None:
        super().__init__()
        require_at_least(1, bucket_size=bucket_size, n_rounds=n_rounds)
        require_flag(across=across, once=once)
        self.bucket_size = bucket_size
        self.n_rounds = n_rounds
        self.across = across
        self.once = once

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend within chunks; the dense map is built only when ``need_weights``.

        Raises
        ------
        ValueError
            If queries and keys differ in number: they are the same tokens.
        """
        if q.shape[-2] != k.shape[-2]:
            raise ValueError(f"reformer needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
        wide = torch.promote_types(q.dtype, torch.float32)
        with without_autocast(q):
            tokens, values = (t.flatten(0, 1) for t in ((q.to(wide) + k.to(wide)) / 2, v.to(wide)))
            buckets = hashed(tokens, self._rotations(tokens.shape[1], tokens.shape[2], tokens))

            def attended(values: Float[Tensor, "N L f"]) -> Float[Tensor, "B h L f"]:
                heads = parts(q, tokens.shape[0], 2 * self.bucket_size * self.n_rounds * q.shape[-2])
                how: dict[str, Any] = {
                    "causal": causal,
                    "across": self.across,
                    "count": count_meetings if self.once else None,
                }
                out = [
                    attend_chunks(tokens[some], values[some], buckets[some], self.bucket_size, **how) for some in heads
                ]
                return torch.unflatten(torch.cat(out), 0, q.shape[:2]).to(v.dtype)

            out = attended(values)
            if not need_weights:
                return out, None
            each = torch.eye(values.shape[1], dtype=wide, device=q.device)
            return out, attended(each.expand(values.shape[0], -1, -1))

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map; each row sums to 1. O(L^2) memory and more time: for explanations.

        In training rotations are drawn anew; the weights of one pass come from ``forward(..., need_weights=True)``.
        """
        found = self(q, k, k, causal=causal, need_weights=True)[1]
        assert found is not None
        return found

    def _rotations(self, length: int, width: int, like: Tensor) -> list[Tensor]:
        """Draw what hashes the tokens; in evaluation always the same, as plain numbers, which an export can hold."""
        fixed = np.random.RandomState(EVALUATION_SEED)
        drawn = []
        for n_buckets in bucket_factors(-(-length // self.bucket_size)):
            shape = width, self.n_rounds, n_buckets // 2
            if self.training:
                drawn.append(torch.randn(shape, dtype=like.dtype, device=like.device))
            else:
                numbers = fixed.standard_normal(shape).tolist()
                drawn.append(torch.tensor(numbers, dtype=like.dtype, device=like.device))
        return drawn


def bucket_factors(n_chunks: int) -> list[int]:
    """Return into how many buckets each rotation sorts, even numbers whose product is at least that of the chunks."""
    even = 2 * (-(-n_chunks // 2))
    if even <= WHOLE:
        return [even]
    first = 2 * math.ceil(math.sqrt(even) / 2)
    return [first, 2 * math.ceil(even / first / 2)]


@torch.no_grad()
def hashed(x: Float[Tensor, "N L e"], rotations: Sequence[Tensor]) -> Int[Tensor, "N R L"]:
    """Return the bucket of each token in each round, by rotations ``(e, R, half)`` for twice as many buckets each."""
    buckets = torch.zeros((), dtype=torch.int64, device=x.device)
    for rotation in rotations:
        half = rotation.shape[-1]
        rotated = torch.unflatten(x @ rotation.flatten(1), -1, rotation.shape[1:])
        axis = rotated.abs().argmax(-1, keepdim=True)
        opposite = rotated.gather(-1, axis) < 0
        buckets = buckets * 2 * half + (axis + half * opposite)[..., 0]
    return buckets.transpose(1, 2).contiguous()


def attend_chunks(
    x: Float[Tensor, "N L e"],
    v: Float[Tensor, "N L f"],
    buckets: Int[Tensor, "N R L"],
    size: int,
    *,
    causal: bool,
    across: bool = True,
    count: Count | None = None,
) -> Float[Tensor, "N L f"]:
    """Attend from each token to its chunk and to the one before, in all rounds.

    ``count`` says how often a query meets a key, by where each token of a chunk is in each round and by what comes
    after that; without it a key counts each time.
    """
    n, rounds, length = buckets.shape
    padded = -(-length // size) * size
    found = _sorted(buckets, padded)
    offset = padded * torch.arange(n * rounds, device=x.device).view(n, rounds, 1)
    there, back = ((index + offset).flatten() for index in (found.order, found.place))

    def chunked(t: Float[Tensor, "N L w"]) -> Float[Tensor, "N c m w"]:
        rows = F.pad(t, (0, 0, 0, padded - length))[:, None].expand(-1, rounds, -1, -1).reshape(-1, t.shape[-1])
        return _permuted(rows, there, back).view(n, -1, size, t.shape[-1])

    queries, values = chunked(x), chunked(v)
    keys = with_the_one_before(F.normalize(queries, dim=-1))
    seen, unseen = _sight(found, size, length, causal=causal, across=across, dtype=x.dtype)
    scores = torch.where(seen, queries @ keys.mT / math.sqrt(x.shape[-1]), unseen)
    if count is not None:
        met = count(*_chunks_of_each_round(found, size, across=across))
        scores = scores - met.to(scores.dtype).log()
    weights, total = _softmax_and_total(scores)
    out = weights @ with_the_one_before(values)
    joined = _permuted(torch.cat([out, total], dim=-1).flatten(0, 2), back, there).view(n, rounds, padded, -1)
    joined = joined[:, :, :length]
    shares = joined[..., -1:].softmax(1)
    return (shares * joined[..., :-1]).sum(1)


class _Order(NamedTuple):
    """Tokens of each round by bucket and time, those that are not there last; and at which place each token is."""

    order: Int[Tensor, "N R T"]
    place: Int[Tensor, "N R T"]
    bucket: Int[Tensor, "N R T"]


def _sorted(buckets: Int[Tensor, "N R L"], padded: int) -> _Order:
    length = buckets.shape[-1]
    steps = torch.arange(padded, device=buckets.device)
    bucket = torch.where(steps < length, F.pad(buckets, (0, padded - length)), buckets.amax((0, 1, 2)) + 1)
    order = (bucket * padded + steps).argsort(-1)
    return _Order(order, torch.empty_like(order).scatter_(-1, order, steps.expand_as(order)), bucket)


def _of_rounds(bucket: Int[Tensor, "N R T"]) -> Int[Tensor, "N R T"]:
    """Give the buckets of each round numbers of their own."""
    return bucket + (bucket.amax((0, 1, 2)) + 1) * torch.arange(bucket.shape[1], device=bucket.device)[:, None]


@torch.no_grad()
def _sight(
    found: _Order, size: int, length: int, *, causal: bool, across: bool, dtype: torch.dtype
) -> tuple[Bool[Tensor, "N c m k"], Float[Tensor, "N c m k"]]:
    """Say which keys of its two chunks a token compares itself with, and what stands in place of other scores."""
    n = found.order.shape[0]
    queries = found.order.view(n, -1, size)[..., None]
    keys = with_the_one_before(queries).mT
    own = keys == queries
    hidden = keys > queries if causal else keys >= length
    if not across:
        bucket = _of_rounds(found.bucket).gather(-1, found.order).view(n, -1, size)[..., None]
        hidden = hidden | (with_the_one_before(bucket).mT != bucket)
    lowest = torch.full((), torch.finfo(dtype).min, dtype=dtype, device=own.device)
    return ~(own | hidden), torch.where(own, SELF, lowest)


def _chunks_of_each_round(
    found: _Order, size: int, *, across: bool
) -> tuple[Int[Tensor, "N c m R"], Int[Tensor, "N c m R"]]:
    """Say for each token of a chunk in which chunk it is in each round, and which comes after that one."""
    n, rounds, padded = found.place.shape
    n_chunks = rounds * padded // size
    chunk = found.place // size + torch.arange(rounds, device=found.place.device)[:, None] * (padded // size)

    def of_tokens(where: Int[Tensor, "N R T"]) -> Int[Tensor, "N c m R"]:
        told_apart = where if across else _of_rounds(found.bucket) * n_chunks + where
        at = found.order.view(n, -1, 1).expand(-1, -1, rounds)
        return told_apart.transpose(1, 2).gather(1, at).view(n, -1, size, rounds)

    return of_tokens(chunk), of_tokens((chunk + 1) % n_chunks)


def count_meetings(own: Int[Tensor, "N c m R"], after: Int[Tensor, "N c m R"]) -> Int[Tensor, "N c m k"]:
    """Count how often each query of a chunk meets each key there and in the chunk before, over all rounds."""
    queries = own[..., :, None, :, None]
    same, next_ = (with_the_one_before(t)[..., None, :, None, :] for t in (own, after))
    return ((queries == same).sum((-2, -1)) + (queries == next_).sum((-2, -1))).clamp(min=1)


def with_the_one_before(chunks: Tensor) -> Tensor:
    """Lay each chunk and the one before it side by side; before the first is the last."""
    return torch.cat([chunks, chunks.roll(1, 1)], dim=2)


def _permuted(x: Float[Tensor, "T w"], index: Int[Tensor, " T"], inverse: Int[Tensor, " T"]) -> Float[Tensor, "T w"]:
    if is_traced():
        return x.index_select(0, index)
    out: Tensor = _Permutation.apply(x, index, inverse)  # type: ignore[no-untyped-call]
    return out


def _softmax_and_total(
    scores: Float[Tensor, "*N k"],
) -> tuple[Float[Tensor, "*N k"], Float[Tensor, "*N 1"]]:
    """Return the softmax and the logarithm of the sum of exponentials."""
    if is_traced():
        return scores.softmax(-1), scores.logsumexp(-1, keepdim=True)
    weights, total = _SoftmaxAndTotal.apply(scores)  # type: ignore[no-untyped-call]
    return weights, total


class _SoftmaxAndTotal(torch.autograd.Function):
    """Both from one exponential each, and their gradients in one; exponentials of -1e38 alone take a long time."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> tuple[Tensor, Tensor]:
        weights = scores.softmax(-1)
        highest = scores.max(-1, keepdim=True)
        ctx.save_for_backward(weights)
        return weights, highest.values - weights.gather(-1, highest.indices).log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_weights: Tensor, of_total: Tensor) -> Tensor:
        (weights,) = ctx.saved_tensors
        return weights * (of_weights - (weights * of_weights).sum(-1, keepdim=True) + of_total)


class _Permutation(torch.autograd.Function):
    """Rows in another order, which backwards is undone by another selection rather than by a sum into each row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gradient.contiguous().index_select(0, *ctx.saved_tensors), None, None
