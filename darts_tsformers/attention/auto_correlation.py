"""Auto-correlation: whole series are compared at each delay, and the best delayed copies are averaged."""

import math
from collections.abc import Collection
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from darts_tsformers.attention._base import Attention
from darts_tsformers.attention._delays import CorrelationAt, DelayedSum, correlate, delayed_steps
from darts_tsformers.attention._ties import highest


class AutoCorrelation(Attention):
    r"""Autoformer's attention: values delayed by the periods at which queries and keys resemble each other.

    .. math::

        R(\tau) = \frac{1}{h e} \sum_{t=0}^{L-1} q_{(t + \tau) \bmod L} \cdot k_t,
        \qquad \tau_1, \dots, \tau_n = \text{the } n \text{ delays with the largest } R

    .. math::

        o_t = \sum_{i=1}^{n} \mathrm{softmax}_i\!\left(R(\tau_i)\right) v_{(t + \tau_i) \bmod L}

    with the product over all heads and channels, and :math:`n = \lfloor c \ln L \rfloor`, at least 1 and at most L. All
    heads share the delays of their sample. Delays go round the end of the series: there is no causal form.

    Keys and values take the length of the queries: shorter ones are followed by zeros, longer ones are cut.

    Cost: O(L log L h e) time: one FFT of queries, one of keys, and one inverse for each sample, as averages are taken
    before it; the backward pass has no FFT. O(L (h e + n)) memory with n delays, and little is kept for the backward
    pass but the inputs. A length with a large prime factor makes the FFT about five times as slow.

    Parameters
    ----------
    factor
        ``c`` above: delays for each unit of the logarithm. A positive number.
    truncate
        What stays of keys longer than the queries: the ``"last"`` steps, which are nearest to the forecast, or the
        ``"first"``, as in the authors' code.
    shared_delays
        In training, take for all samples the delays that are best on average over the batch, as the authors' code does.
        An output then depends on its batch mates, and training and prediction differ. Prediction never shares.
    normalize
        Divide R by L, to make it a mean over time. As published it is a sum, which grows with the length until the
        softmax chooses a single delay.

    Raises
    ------
    ValueError
        If an argument is none of the above.

    Notes
    -----
    Wu et al., "Autoformer: Decomposition Transformers with Auto-Correlation for Long-Term Series Forecasting", NeurIPS
    2021, section 3.2; ``c`` is the paper's, ``n`` its k. Neither R nor queries and keys are scaled by the root of the
    width, as published. Deviations: each sample has its own delays in training too; longer keys lose their start and
    not their end; there is at least one delay (the published code has none for a product below 1, and returns zeros);
    weights below 1e-19 of the highest (in float32) are zero; of delays whose correlations differ by less than 1e-5 of
    the most they could come to, by the norms of queries and keys, shorter ones are chosen, where rounding would decide.
    In half precision, transforms and sums run in float32.

    Exported, as to ONNX, it compares all steps with all steps instead of transforming them: O(L^2 h e) time.

    Examples
    --------
    A wave of 6 steps resembles itself at once, and after 6, 12 and 18 steps:

    >>> import torch
    >>> from darts_tsformers.attention import AutoCorrelation
    >>> angle = torch.arange(24) * torch.pi / 3
    >>> q = torch.stack([angle.sin(), angle.cos()], dim=-1)[None, None]  # (B, h, L, e)
    >>> delays, weights = AutoCorrelation(factor=1.3).delays(q, q)
    >>> sorted(delays[0].tolist())
    [0, 6, 12, 18]
    """

    supports_causal: ClassVar[bool] = False
    width_power: ClassVar[float] = 1.0

    def __init__(
        self,
        factor: int | float = 1.0,
        *,
        truncate: str = "last",
        shared_delays: bool = False,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(factor, int | float | np.integer) or isinstance(factor, bool) or not 0 < factor < math.inf:
            raise ValueError(f"factor={factor!r} must be a positive number")
        if truncate not in ("first", "last"):
            raise ValueError(f"truncate={truncate!r} must be one of ['first', 'last']")
        for name, value in {"shared_delays": shared_delays, "normalize": normalize}.items():
            if not isinstance(value, bool):
                raise ValueError(f"{name}={value!r} must be True or False")
        self.factor = factor
        self.truncate = truncate
        self.shared_delays = shared_delays
        self.normalize = normalize

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Average delayed values; the dense map is built only when ``need_weights``.

        Raises
        ------
        ValueError
            If ``causal``: a delay that goes round the end would bring the future to the past. If samples or heads
            differ in number, or the steps of keys and values.
        """
        if v.shape[:-1] != k.shape[:-1] or k.shape[:2] != q.shape[:2]:
            shapes = ", ".join(f"{name} {tuple(x.shape)}" for name, x in {"q": q, "k": k, "v": v}.items())
            raise ValueError(f"{shapes} must have the same samples and heads, and k and v the same steps")
        found = self._find(q, k, causal=causal)
        values = self._fitted(v, q.shape[-2]).to(found.weights.dtype)
        out: Tensor = DelayedSum.apply(values, found.weights, found.ahead, found.back)  # type: ignore[no-untyped-call]
        return out.to(v.dtype), self._map(q, k, found) if need_weights else None

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the map from values to outputs, the same for all heads. O(L M) memory: for explanations.

        A row sums to 1, but for the weight that falls on the zeros behind short keys.
        """
        return self._map(q, k, self._find(q, k, causal=causal))

    def delays(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"]
    ) -> tuple[Int[Tensor, "B n"], Float[Tensor, "B n"]]:
        """Return the delays of each sample, the best first, and their weights, which sum to 1."""
        found = self._find(q, k, causal=False)
        return found.delays, found.weights

    def details(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        *,
        kinds: Collection[str],
        causal: bool = False,
    ) -> dict[str, dict[str, Tensor]]:
        """Return the delays with their weights, ``"delays"``, and R at all delays, ``"correlation"``."""
        said: dict[str, dict[str, Tensor]] = {}
        if "delays" in kinds:
            found = self._find(q, k, causal=causal)
            said["delays"] = {"period": found.delays.to(found.weights.dtype), "weight": found.weights}
        if "correlation" in kinds:
            wide = torch.promote_types(q.dtype, torch.float32)
            said["correlation"] = {"correlation": self.correlation(q.to(wide), k.to(wide))}
        return said

    @torch.no_grad()
    def correlation(self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"]) -> Float[Tensor, "B L"]:
        """Return R: the correlation of queries and keys at each delay, averaged over heads and channels."""
        return correlate(q, self._fitted(k, q.shape[-2])) / self._divisor(q)

    def _find(self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool) -> "_Found":
        if causal:
            raise ValueError("causal=True cannot be served: delays go round the end of the series")
        length = q.shape[-2]
        wide = torch.promote_types(q.dtype, torch.float32)  # there is no FFT in half precision
        queries, keys = q.to(wide), self._fitted(k, length).to(wide)
        with torch.no_grad():
            found = correlate(queries, keys)
            ranked, bound = found, _bound(queries, keys)
            if self.shared_delays and self.training:
                ranked, bound = (t.mean(0, keepdim=True) for t in (ranked, bound))
            delays = _best_first(ranked, highest(ranked, self._n_delays(length), bound)).expand(found.shape[0], -1)
        ahead, back = delayed_steps(delays, length), delayed_steps(-delays, length)
        at: Tensor = CorrelationAt.apply(queries, keys, found, delays, ahead, back)  # type: ignore[no-untyped-call]
        return _Found(delays, _weigh(at / self._divisor(q)), ahead, back)

    def _n_delays(self, length: int) -> int:
        return min(max(1, int(self.factor * math.log(length))), length)

    def _divisor(self, q: Float[Tensor, "B h L e"]) -> int:
        _, h, length, e = q.shape
        return h * e * length if self.normalize else h * e

    def _fitted(self, x: Float[Tensor, "B h M w"], length: int) -> Float[Tensor, "B h L w"]:
        surplus = x.shape[-2] - length
        if surplus > 0:
            return x[..., surplus:, :] if self.truncate == "last" else x[..., :length, :]
        return F.pad(x, (0, 0, 0, -surplus)) if surplus else x

    def _map(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], found: "_Found"
    ) -> Float[Tensor, "B h L M"]:
        b, h, length, _ = q.shape
        spread = found.weights[:, None].expand(found.ahead.shape)
        rows = spread.new_zeros(b, length, length).scatter(-1, found.ahead.long(), spread)
        surplus = k.shape[-2] - length
        before = surplus if self.truncate == "last" else 0
        columns = (before, surplus - before) if surplus > 0 else (0, surplus)
        return F.pad(rows, columns)[:, None].expand(b, h, length, k.shape[-2]).to(q.dtype)


def _bound(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"]) -> Float[Tensor, "B 1"]:
    """Return the most that the correlation can come to at any delay: the product of the norms."""
    of_queries, of_keys = (torch.linalg.vector_norm(t, dim=(1, 2, 3)) for t in (q, k))
    return (of_queries * of_keys)[:, None]


def _best_first(found: Float[Tensor, "B L"], delays: Int[Tensor, "B n"]) -> Int[Tensor, "B n"]:
    return delays.gather(-1, found.gather(-1, delays).topk(delays.shape[-1]).indices)


def _weigh(scores: Float[Tensor, "B n"]) -> Float[Tensor, "B n"]:
    """Take the softmax, with zeros where a weight would be too small to count beside the highest.

    Products with such weights are subnormal numbers: a processor takes many times as long over each.
    """
    least = scores.detach().amax(-1, keepdim=True) + math.log(torch.finfo(scores.dtype).tiny) / 2
    return scores.masked_fill(scores < least, -math.inf).softmax(-1)


class _Found(NamedTuple):
    """The best delays and their weights; for each step, the steps that lie ahead and back by each delay."""

    delays: Int[Tensor, "B n"]
    weights: Float[Tensor, "B n"]
    ahead: Int[Tensor, "B L n"]
    back: Int[Tensor, "B L n"]
