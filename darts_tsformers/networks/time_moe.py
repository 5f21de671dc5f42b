"""Time-MoE: a decoder of single values with a mixture of experts, and heads that reach ahead by several lengths."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from darts_tsformers.checks import require_at_least, require_flag, require_probability
from darts_tsformers.layers.experts.balance import load_balance
from darts_tsformers.layers.experts.sparse_feed_forward import SparseFeedForward
from darts_tsformers.layers.transformer.grouped_attention import GroupedAttention, KeysValues
from darts_tsformers.networks._horizon_heads import Reach, reach_of, require_lengths, schedule
from darts_tsformers.networks._lessons import Lesson, Training
from darts_tsformers.networks._network import Feed, Network, first_parameter
from darts_tsformers.networks._time_moe_decoder import TimeMoEDecoder
from darts_tsformers.recording.layout import Layout, steps
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, CovariateHead
from darts_tsformers.window.instance_norm import Spread


class TimeMoE(Network, name="time_moe"):
    r"""Causal transformer over single values, whose feed-forward parts are mixtures of experts.

    Each value is a token. From the state after it, heads of several lengths forecast what follows. A horizon is put
    together of them: always the longest that does not reach beyond the end, then the next, on top of what was forecast
    so far. A forecast reads the look-back once; each part of the horizon is read as so many further tokens, on top of
    what the layers kept of the others.

    It learns from every step: each head forecasts from the state after each value of look-back and horizon, and a
    penalty spreads the tokens over the experts.

    The components do not look at each other. What comes before the history of a series begins is left out.

    Covariates, which the paper has no place for: what
    :class:`~darts_tsformers.window.covariates.CovariateHead` says is added to the horizon before it is read on. It is
    zero at the start.

    Cost: O(C (L + H)^2 D) for attention; the experts take ``n_experts_per_token`` and the shared one of ``n_experts``
    for each token.

    Parameters
    ----------
    horizon_lengths
        Steps of each head, increasing.
    n_kv_heads
        Heads of keys and values; must divide ``n_heads``. None for as many.
    d_ff
        Inner width of the shared expert; each other has ``d_ff // n_experts_per_token``.
    n_experts, n_experts_per_token
        Experts of a layer, and how many of them each token takes.
    dense
        Whether there is one feed-forward part of width ``d_ff`` in place of the experts.
    balance
        Weight of the penalty on uneven loads of the experts.
    rope_theta
        Base of the rotary positions.
    norm_epsilon
        What the norms add to the mean square.
    max_positions
        The most steps of a look-back.
    activation
        Of the embedding and of the feed-forward parts: ``"gelu"``, ``"relu"``, ``"elu"`` or ``"silu"``.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Shi et al., "Time-MoE: Billion-Scale Time Series Foundation Models with Mixture of Experts", ICLR 2025 (arXiv
    2409.16040). Written from the paper and from facts about the code (Time-MoE/Time-MoE, d3524fd), whose figures the
    tests hold it to.

    Deviations: the loss is the one that was chosen, in the units of the data, and never counts steps that are not
    known; dropout acts on what attention and feed-forward parts put out, and not on the weights of attention. With an
    output shift, the steps in between are the last value while it trains. To be trained from the start, weights are
    drawn with a deviation of one over the root of the inputs, in place of 0.02: narrow networks learn slowly with that.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import TimeMoE
    >>> network = TimeMoE(Sizes(input_length=48, output_length=9), horizon_lengths=(1, 8), d_model=16).eval()
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # one part of 8 steps and one of 1
    torch.Size([2, 9, 3, 1])
    """

    reads = ALL_KINDS
    knows_start = True
    knows_units = True
    head_patterns = ("decoder.heads.*",)
    window_spread = Spread(correction=1)
    width_tie = None

    def __init__(
        self,
        sizes: Sizes,
        *,
        horizon_lengths: Sequence[int] = (1, 8, 32, 64),
        d_model: int = 64,
        n_heads: int = 4,
        n_kv_heads: int | None = None,
        n_decoder_layers: int = 3,
        d_ff: int = 128,
        n_experts: int = 8,
        n_experts_per_token: int = 2,
        dense: bool = False,
        balance: float = 0.02,
        rope_theta: float = 10000.0,
        norm_epsilon: float = 1e-6,
        max_positions: int = 4096,
        dropout: float = 0.0,
        activation: str = "silu",
    ) -> None:
        super().__init__(sizes)
        self.horizon_lengths = require_lengths(horizon_lengths)
        require_flag(dense=dense)
        require_probability(dropout=dropout)
        require_at_least(1, n_heads=n_heads, max_positions=max_positions)
        for name, value in {"balance": balance, "rope_theta": rope_theta, "norm_epsilon": norm_epsilon}.items():
            if value < 0:
                raise ValueError(f"{name}={value!r} must not be negative")
        if sizes.input_length > max_positions:
            raise ValueError(f"max_positions={max_positions} must be at least input_chunk_length={sizes.input_length}")
        self.balance = balance
        self.n_experts_per_token = n_experts_per_token
        self.decoder = TimeMoEDecoder(
            self.horizon_lengths,
            n_parameters=sizes.n_parameters,
            d_model=d_model,
            n_heads=n_heads,
            n_kv_heads=n_kv_heads,
            n_layers=n_decoder_layers,
            d_ff=d_ff,
            n_experts=None if dense else n_experts,
            n_experts_per_token=n_experts_per_token,
            activation=activation,
            norm_epsilon=norm_epsilon,
            rope_theta=rope_theta,
            dropout=dropout,
        )
        covariates = CovariateHead(sizes, ALL_KINDS)
        self.covariates = covariates if covariates.is_used else None

    @property
    def feeds_on_itself(self) -> bool:
        """Always: each part of the horizon is forecast from the one before."""
        return True

    @property
    def parts(self) -> list[tuple[int, int]]:
        """Which head makes each part of the horizon, the steps of an output shift included, and how long it is."""
        return schedule(self.horizon_lengths, self.sizes.output_shift + self.sizes.output_length)

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers that attend."""
        return [path for path, part in self.named_modules() if isinstance(part, GroupedAttention)]

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: the steps that are read, of the look-back and of the horizon."""
        axis = steps(1 - self.sizes.input_length, sum(length for _, length in self.parts[:-1]))
        experts = [path for path, part in self.named_modules() if isinstance(part, SparseFeedForward)]
        maps = dict.fromkeys(self.attention_layers(), Layout((axis, axis), per_component=True))
        return maps | dict.fromkeys(experts, Layout((axis,), per_component=True))

    def forward(self, window: Window, feed: Feed = first_parameter) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        shift, n_targets = self.sizes.output_shift, window.target.shape[-1]
        added = F.pad(self._added(window), (0, 0, 0, 0, shift, 0))
        values, there = _folded(window.target), self._there(window, window.target.shape[1])
        kept: list[KeysValues] | None = None
        out: list[Tensor] = []
        for head, length in self.parts:
            read = self.decoder(values, kept, there)
            part = self.decoder.ahead(read.states[:, -1:], head)[:, 0, :length]
            done = sum(one.shape[1] for one in out)
            out.append(_unfolded(part, n_targets) + added[:, done : done + length])
            values, kept = _folded(feed(out[-1]).to(values.dtype)), read.kept
            there = None if there is None else F.pad(there, (0, length), value=True)
        return torch.cat(out, dim=1)[:, shift:]

    def learn(self, window: Window) -> Training:
        """Forecast by all heads from each step of look-back and horizon, all of which see what was really there."""
        assert window.future_target is not None
        gap = window.target[:, -1:].expand(-1, self.sizes.output_shift, -1)
        target = torch.cat([window.target, gap, window.future_target], dim=1)[:, :-1]
        there = self._there(window, target.shape[1])
        read = self.decoder(_folded(target), None, there)
        added = F.pad(self._added(window), (0, 0, 0, 0, self.sizes.input_length, 0))
        weight = 1 / len(self.horizon_lengths)
        lessons = []
        for head, length in enumerate(self.horizon_lengths):
            reach = reach_of(length, self.sizes, target.device)
            raw = self.decoder.ahead(read.states, head).flatten(1, 2)[:, reach.at * length + reach.ahead]
            forecast = _unfolded(raw, target.shape[-1]) + added[:, reach.step]
            lessons.append(Lesson(f"head_{length}", forecast, _known(window, reach), weight))
        return Training(None, lessons, self._penalties(read.logits, there))

    def _penalties(self, logits: list[Float[Tensor, "R n E"]], there: Bool[Tensor, "R n"] | None) -> dict[str, Tensor]:
        if not logits:
            return {}
        tokens = [one.flatten(0, 1) for one in logits]
        load = load_balance(tokens, self.n_experts_per_token, None if there is None else there.flatten())
        return {"balance": self.balance * load}

    def _added(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Return what covariates add to the horizon."""
        if self.covariates is not None:
            out: Tensor = self.covariates(window)
            return out
        target = window.target
        return target.new_zeros(target.shape[0], self.sizes.output_length, target.shape[-1], self.sizes.n_parameters)

    def _there(self, window: Window, n: int) -> Bool[Tensor, "R n"] | None:
        """Say which of the first ``n`` steps are no padding; None if none is."""
        if window.start is None:
            return None
        there = torch.arange(n, device=window.target.device) >= window.start[:, None]
        return there.repeat_interleave(window.target.shape[-1], dim=0)


def _known(window: Window, reach: Reach) -> Int[Tensor, " T"] | Int[Tensor, "B T C"]:
    """Return of which steps the forecasts are; the first one, which is not known, for those made from padding."""
    if window.start is None:
        return reach.step
    is_padding = (reach.at < window.start[:, None])[..., None]
    return torch.where(is_padding, 0, reach.step[:, None]).expand(-1, -1, window.target.shape[-1])


def _folded(x: Float[Tensor, "B n C"]) -> Float[Tensor, "R n"]:
    """Make each component a series of its own."""
    return rearrange(x, "B n C -> (B C) n")


def _unfolded(x: Float[Tensor, "R n Q"], n_targets: int) -> Float[Tensor, "B n C Q"]:
    return rearrange(x, "(B C) n Q -> B n C Q", C=n_targets)
