"""FEDformer's frequency blocks: a few Fourier modes of a sequence, weighted or attended to."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag, require_one_of
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.layers.frequency.mode_attention import ACTIVATIONS, attended, mode_weights, score_scale
from darts_tsformers.layers.frequency.modes import mode_periods, record_modes, select_modes
from darts_tsformers.layers.frequency.spectrum import (
    ModeWeights,
    PartialFourier,
    at_least_single,
    require_length,
)
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recording.layout import Durations


class FourierBlock(nn.Module):
    r"""Weight the modes of the queries: FEDformer's frequency enhanced block (FEB-f), in place of self-attention.

    .. math:: Y_j = \mathcal{F}(q)_j W_j \quad (j \in S), \qquad o = \mathcal{F}^{-1}(Y)

    with the modes ``S`` chosen once, see :func:`~darts_tsformers.layers.frequency.modes.select_modes`, a complex matrix
    :math:`W_j` for each head and mode, and zero at all other modes.

    Cost: O(L m D) time, O(L (m + D)) memory and 2 m D e parameters.

    Parameters
    ----------
    d_model, n_heads
        Width ``D`` and heads ``h``, of ``e = D / h`` features each; ``n_heads`` must divide ``d_model``.
    length
        Steps ``L``.
    n_modes
        Modes asked for; the attribute of this name says how many there are.
    mode_select
        ``"lowest"`` or ``"random"``.
    seed
        Seeds the choice of random modes.
    faithful
        Whether to have the faults of the authors' code: the weighted modes go to the lowest bins instead of their own,
        and the output, laid out as features by time, is read as time by features. Only for parity with it.

    Attributes
    ----------
    modes
        The modes, in the state dict: a loaded layer has those it was trained with.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Zhou et al., "FEDformer: Frequency Enhanced Decomposed Transformer for Long-term Series Forecasting", ICML 2022,
    section 3.2; ``n_modes`` is the paper's M. Deviations: the random modes come from a generator of the layer's own. As
    in the authors' code, the mode of alternating signs is left out.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.frequency.fourier import FourierBlock
    >>> block = FourierBlock(d_model=8, n_heads=2, length=24, n_modes=4, mode_select="lowest")
    >>> block.modes
    tensor([0, 1, 2, 3])
    >>> block(torch.randn(3, 2, 24, 4)).shape  # (B, h, L, e)
    torch.Size([3, 2, 24, 4])
    """

    modes: Tensor

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        length: int,
        *,
        n_modes: int = 64,
        mode_select: str = "random",
        seed: int = 0,
        faithful: bool = False,
    ) -> None:
        super().__init__()
        width = head_width(d_model, n_heads)
        require_at_least(0, seed=seed)
        require_flag(faithful=faithful)
        generator = torch.Generator().manual_seed(seed)
        modes = select_modes(length, n_modes, mode_select=mode_select, generator=generator)
        self.register_buffer("modes", modes)
        self.length = length
        self.n_modes = len(modes)
        self.faithful = faithful
        self.weights = ModeWeights(n_heads, self.n_modes, width)

    def forward(self, q: Float[Tensor, "B h L e"], *_: Tensor) -> Float[Tensor, "B h L e"]:
        """Weight the modes of the queries. Keys and values may be given, as to an attention; they are not looked at.

        Raises
        ------
        ValueError
            If the queries are not as many as the layer was built for.
        """
        require_length(self.length, q=q)
        with without_autocast(q):
            fourier = PartialFourier(self.modes, self.length, at_least_single(q))
            weighted = self.weights(_transform(fourier, q))
            record_modes(self, weighted, self.modes, self.length)
            if self.faithful:
                fourier = PartialFourier(torch.arange(self.n_modes, device=q.device), self.length, weighted.dtype)
            return _heads(fourier.inverse(weighted), q, faithful=self.faithful)


class FourierAttention(nn.Module):
    r"""Attend between modes: FEDformer's frequency enhanced attention (FEA-f), in place of cross-attention.

    .. math::

        A = \sigma\left(\frac{\tilde Q \tilde K^\top}{\sqrt{e L M / 2}}\right), \qquad
        Y_j = (A \tilde V)_j W_j \quad (j \in S_q), \qquad
        o = \mathcal{F}^{-1}(Y)

    with :math:`\tilde Q` the modes :math:`S_q` of the queries and :math:`\tilde K, \tilde V` the modes :math:`S_k` of
    keys and values, head by head. The product of queries and keys is complex, without conjugation. Its divisor, which
    ``scale_scores`` can leave out, is the deviation that the product has for white noise of unit variance.

    Cost: O((L + M) m D + m^2 D) time, O((L + M) (m + D) + m^2 h) memory.

    Parameters
    ----------
    d_model, n_heads
        Width ``D`` and heads ``h``, of ``e = D / h`` features each; ``n_heads`` must divide ``d_model``.
    length, memory_length
        Steps of the queries, ``L``, and of keys and values, ``M``.
    n_modes
        Modes asked for of either; the attributes ``n_modes`` and ``n_memory_modes`` say how many there are.
    mode_select
        ``"lowest"`` or ``"random"``.
    seed
        Seeds the choice of random modes: first those of the queries, then the others.
    activation
        :math:`\sigma`. ``"tanh"``: of real and imaginary part on their own. ``"softmax"``: of the absolute values, over
        the modes of the keys; the result is real. ``"complex_tanh"``: the hyperbolic tangent of a complex number, as in
        the authors' code. It has poles, :math:`i \pi (n + 1/2)`, near which the output has no bound.
    faithful
        Whether to have the faults of the authors' code: keys take the place of values, the result is divided by
        :math:`D^2`, and the output, laid out as features by time, is read as time by features. Only for parity with it,
        together with ``activation="complex_tanh"`` or ``"softmax"``.
    scale_scores
        Whether to divide the scores; None for all that is not ``faithful``. As published they are sums over time, with
        a deviation of 271 for unit inputs of 96 steps and 16 features: nearly every activation is saturated then, and
        queries and keys learn from the few scores that happen to be close to zero, or to each other.

    Attributes
    ----------
    modes, memory_modes
        The modes :math:`S_q` and :math:`S_k`, in the state dict.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Zhou et al., "FEDformer", ICML 2022, section 3.2. The weights :math:`W_j` are in the authors' code, not in the
    paper. Deviations: the default activation, which has no poles; the scaled scores; random modes come from a generator
    of the layer's own.
    """

    modes: Tensor
    memory_modes: Tensor

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        length: int,
        memory_length: int,
        *,
        n_modes: int = 64,
        mode_select: str = "random",
        seed: int = 0,
        activation: str = "tanh",
        faithful: bool = False,
        scale_scores: bool | None = None,
    ) -> None:
        super().__init__()
        width = head_width(d_model, n_heads)
        require_at_least(1, memory_length=memory_length)
        require_at_least(0, seed=seed)
        require_one_of(ACTIVATIONS, activation=activation)
        require_flag(faithful=faithful)
        scale_scores = not faithful if scale_scores is None else scale_scores
        require_flag(scale_scores=scale_scores)
        generator = torch.Generator().manual_seed(seed)
        modes, memory_modes = (
            select_modes(steps, n_modes, mode_select=mode_select, generator=generator)
            for steps in (length, memory_length)
        )
        self.register_buffer("modes", modes)
        self.register_buffer("memory_modes", memory_modes)
        self.length, self.memory_length = length, memory_length
        self.n_modes, self.n_memory_modes = len(modes), len(memory_modes)
        self.activation = activation
        self.faithful = faithful
        self.scale = score_scale(width, length, memory_length) if scale_scores else 1.0
        self.weights = ModeWeights(n_heads, self.n_modes, width)

    def forward(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], v: Float[Tensor, "B h M e"]
    ) -> Float[Tensor, "B h L e"]:
        """Attend from the modes of the queries to those of the keys.

        Raises
        ------
        ValueError
            If queries or keys are not as many as the layer was built for.
        """
        require_length(self.length, q=q)
        require_length(self.memory_length, k=k)
        with without_autocast(q):
            dtype = at_least_single(q)
            fourier = PartialFourier(self.modes, self.length, dtype)
            memory = PartialFourier(self.memory_modes, self.memory_length, dtype)
            keys = _transform(memory, k)
            values = keys if self.faithful else _transform(memory, v)
            queries = _transform(fourier, q)
            weights = mode_weights(queries, keys, activation=self.activation, scale=self.scale)
            if is_recording("mode_attention"):
                record("mode_attention", self, weights=torch.linalg.vector_norm(weights, dim=1))
            weighted = self.weights(attended(weights, values))
            record_modes(self, weighted, self.modes, self.length)
            if self.faithful:
                weighted = weighted / (q.shape[1] * q.shape[-1]) ** 2
            return _heads(fourier.inverse(weighted), q, faithful=self.faithful)

    def durations(self) -> dict[str, Durations]:
        """Return the periods of the modes of queries and keys."""
        modes = {"query": (self.modes, self.length), "key": (self.memory_modes, self.memory_length)}
        return {name: mode_periods(*of) for name, of in modes.items()}


def head_width(d_model: int, n_heads: int) -> int:
    """Return the features of a head.

    Raises
    ------
    ValueError
        If ``n_heads`` does not divide ``d_model``.
    """
    require_at_least(1, d_model=d_model, n_heads=n_heads)
    if d_model % n_heads:
        raise ValueError(f"n_heads={n_heads} must divide d_model={d_model}")
    return d_model // n_heads


def _transform(fourier: PartialFourier, x: Float[Tensor, "B h L e"]) -> Float[Tensor, "B 2 m h e"]:
    return fourier.transform(x.transpose(1, 2).to(fourier.table.dtype))


def _heads(
    out: Float[Tensor, "B L h e"], like: Float[Tensor, "B h L e"], *, faithful: bool
) -> Float[Tensor, "B h L e"]:
    """Put heads first again; ``faithful`` reads time and features in each other's place."""
    if faithful:
        out = out.flatten(2).mT.reshape(out.shape)
    return out.transpose(1, 2).to(like.dtype)
