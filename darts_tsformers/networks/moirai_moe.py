"""Moirai-MoE: a decoder over patches of any number of variates, which draws paths patch by patch."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TypeAlias

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.mixture.distribution import NORMALS, Mixture
from darts_tsformers.networks._lessons import Score, Training
from darts_tsformers.networks._moirai_decoder import MoiraiDecoder
from darts_tsformers.networks._moirai_tokens import Piece, Tokens, pack, scales
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._paths import ROWS_AT_ONCE, Noise, drawn_paths, median_of
from darts_tsformers.recording import is_recording, record, recording
from darts_tsformers.recording.layout import Layout, TimeAxis, VariableAxis
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, zero_linear

NORMALISER_SHARE = 0.3
"""Share of the look-back that always counts for level and spread in training, and is not learnt from."""

PAIRS_AT_ONCE = 2**25
"""Of tokens that attend to each other in the paths drawn at a time for a point forecast."""

Choose: TypeAlias = Callable[[Mixture], Float[Tensor, "B C p"]]
"""From the mixtures of a patch, at level 0 and spread 1, to its values."""


class MoiraiMoE(Network, name="moirai_moe"):
    r"""Causal transformer over patches of all variates at once, with experts and a mixture of distributions.

    Each patch of each target and covariate is a token. A token sees those of all variates up to its own time. Each
    variate is read at its own level and spread. From the state after a patch comes a mixture for each value of the
    next: Student-t, narrow normal, negative binomial and log-normal.

    A path is drawn patch by patch. Each patch that is drawn is read as if it had been observed: level and spread
    change, and so all tokens are read again. The point forecast is the median of ``n_paths`` paths, the same ones each
    time.

    It learns the log-likelihood of each patch of the targets from what comes before it. In each window the horizon and
    a random last part of the look-back are treated as unknown: they do not count for level and spread of the targets,
    and are what is learnt.

    Covariates: past ones, and future ones over look-back and horizon, are variates like the targets. The mask is causal
    in time, so the future covariates of a patch act on the patches after it. Static ones add to the tokens of their
    target through a linear map that starts at zero; the paper has none.

    Cost: O(S K ((C + P + F) L / p)^2 D) for S paths of K patches ahead. Memory for the point forecast: that of as many
    paths at a time as have ``PAIRS_AT_ONCE`` pairs of tokens, of 1,024 at most, and of one for each window at least.

    Parameters
    ----------
    patch_lengths
        Lengths of patches that it has maps for.
    patch_length
        Which of them to use (``p``); None for the longest.
    n_experts, n_experts_per_token
        Experts of a layer, and how many of them each token takes.
    d_ff
        Inner width of each expert.
    farthest
        Whether a token goes to the experts whose centroids are farthest, as in the published weights, and not nearest.
    max_patches
        The most patches of look-back and horizon.
    n_paths
        Paths whose median is the point forecast (``S``).

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Liu et al., "Moirai-MoE: Empowering Time Series Foundation Models with Sparse Mixture of Experts", 2024 (arXiv
    2410.10469); Woo et al., "Unified Training of Universal Time Series Forecasting Transformers", ICML 2024 (arXiv
    2402.02592). Written from the papers and from facts about the code (SalesforceAIResearch/uni2ts, 8d2a08d), whose
    figures the tests hold it to.

    Deviations: the authors published no training code, so ``learn`` is written from the papers. The known part of the
    targets ends at random between 30 % of the patches of the look-back and its end; in validation, at its end. Past
    covariates stay known over the whole look-back. Centroids of a network that is trained from the start are random;
    theirs are clusters of what another model has learnt. A patch of a covariate from before the history begins is
    padding; theirs counts if the look-back is filled up to whole patches. With an output shift, the steps in between
    are drawn too; in training they are the last value, and are not learnt.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks import MoiraiMoE, Noise
    >>> from darts_tsformers.window import Sizes, Window
    >>> network = MoiraiMoE(Sizes(24, 6), patch_lengths=(4,), d_model=16, n_heads=2, n_paths=3).eval()
    >>> window = Window(torch.randn(2, 24, 3))  # (B, L, C): any number of components
    >>> network(window).shape
    torch.Size([2, 6, 3, 1])
    >>> network.sample(window, Noise(range(1), n_paths=1, seed=0, windows=window.target)).shape
    torch.Size([2, 6, 3])
    """

    reads = ALL_KINDS
    knows_start = True
    knows_units = True
    draws_paths = True
    validates_by_lessons = True
    needs_future_target = True
    width_tie = None

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_lengths: Sequence[int] = (16,),
        patch_length: int | None = None,
        d_model: int = 64,
        n_heads: int = 4,
        n_decoder_layers: int = 3,
        d_ff: int = 64,
        n_experts: int = 8,
        n_experts_per_token: int = 2,
        farthest: bool = False,
        max_patches: int = 512,
        n_paths: int = 100,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(sizes)
        if not isinstance(patch_lengths, Sequence):
            raise ValueError(f"patch_lengths={patch_lengths!r} must be a list or tuple of lengths")
        patch_lengths = tuple(patch_lengths)
        if not patch_lengths or len(set(patch_lengths)) < len(patch_lengths):
            raise ValueError(f"patch_lengths={patch_lengths!r} must be one or several different lengths")
        for length in patch_lengths:
            require_at_least(1, patch_lengths=length)
        if patch_length is not None and patch_length not in patch_lengths:
            raise ValueError(f"patch_length={patch_length!r} must be one of patch_lengths={list(patch_lengths)}")
        require_at_least(1, d_model=d_model, max_patches=max_patches, n_paths=n_paths)
        require_probability(dropout=dropout)
        self.n_paths = n_paths
        self.patch_length = max(patch_lengths) if patch_length is None else patch_length
        self.size = patch_lengths.index(self.patch_length)
        self.n_read = math.ceil(sizes.input_length / self.patch_length)
        self.n_ahead = math.ceil((sizes.output_shift + sizes.output_length) / self.patch_length)
        if self.n_read + self.n_ahead > max_patches:
            raise ValueError(
                f"max_patches={max_patches} must be at least {self.n_read + self.n_ahead}, "
                f"the patches of {self.patch_length} steps in look-back and horizon"
            )
        self.decoder = MoiraiDecoder(
            patch_lengths,
            d_model=d_model,
            n_heads=n_heads,
            n_layers=n_decoder_layers,
            d_ff=d_ff,
            n_experts=n_experts,
            n_experts_per_token=n_experts_per_token,
            farthest=farthest,
            dropout=dropout,
        )
        self.static = zero_linear(sizes.n_static, d_model) if sizes.n_static else None

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers that attend: one for attention over time, one for that between variates."""
        layers = [f"decoder.layers.{i}" for i in range(len(self.decoder.layers))]
        return [path for layer in layers for path in (layer, f"{layer}.attention")]

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: patches of the look-back, in time and of the targets, and variates."""
        ends = range(self.patch_length - 1 - self._fill, self.sizes.input_length, self.patch_length)
        last = tuple(end - self.sizes.input_length + 1 for end in ends)
        first = tuple(max(end - self.patch_length + 1, 1 - self.sizes.input_length) for end in last)
        axis, variates = TimeAxis(first, last), VariableAxis(("target", "past", "future"))
        layouts = {}
        for i in range(len(self.decoder.layers)):
            layouts[f"decoder.layers.{i}"] = Layout((variates, variates))
            layouts[f"decoder.layers.{i}.attention"] = Layout((axis, axis))
            layouts[f"decoder.layers.{i}.feed_forward"] = Layout((axis,), per_component=True)
        return layouts

    @property
    def _fill(self) -> int:
        """Steps before the look-back that fill it up to whole patches."""
        return self.n_read * self.patch_length - self.sizes.input_length

    def forward(self, window: Window) -> Float[Tensor, "B H C 1"]:
        """Forecast by the median of paths that are the same each time."""
        if is_recording():
            self._show(window)
        with recording() if is_recording() else nullcontext():  # what was read to make paths is not shown
            paths = drawn_paths(self.sample, window, self.n_paths, rows=self._rows(window))
        record("spread", self, deviation=paths.std(dim=0, correction=0))
        return median_of(paths)

    def _rows(self, window: Window) -> int:
        """Return how many paths to draw at a time, so that their attention has room in memory."""
        n_variates = window.target.shape[-1] + self.sizes.n_past + self.sizes.n_future
        n_tokens = n_variates * (self.n_read + self.n_ahead)
        return min(max(PAIRS_AT_ONCE // n_tokens**2, 1), ROWS_AT_ONCE)

    def sample(self, window: Window, noise: Noise) -> Float[Tensor, "B H C"]:
        """Draw one path for each window."""

        def choose(mixture: Mixture) -> Float[Tensor, "B C p"]:
            normal = noise(*mixture.df.shape[1:], NORMALS)
            return mixture.draw(normal.to(mixture.df.dtype))

        with torch.no_grad():
            return self.decoded(window, choose)

    def decoded(self, window: Window, choose: Choose) -> Float[Tensor, "B H C"]:
        """Forecast patch by patch: ``choose`` says what to take of the mixtures of each."""
        batch, _, n_targets = window.target.shape
        ahead = window.target.new_zeros(batch, self.n_ahead * self.patch_length, n_targets)
        for step in range(self.n_ahead):
            known = self.n_read + step
            tokens, (level, spread) = self._scaled(window, ahead, known)
            seen, newest = tokens.slot < known, (tokens.slot == known - 1) & (tokens.places.variate < n_targets)
            read = tokens.take(seen)
            mixture = self.decoder(read.values, read.places, self.size, self._added(window, read))
            drawn = choose(Mixture(*(part[:, newest[seen]] for part in mixture)))
            values = rearrange(drawn * spread[:, newest] + level[:, newest], "B C p -> B p C").to(ahead.dtype)
            first = step * self.patch_length
            ahead = torch.cat([ahead[:, :first], values, ahead[:, first + self.patch_length :]], dim=1)
        first = self.sizes.output_shift
        return ahead[:, first : first + self.sizes.output_length]

    def learn(self, window: Window) -> Training:
        """Score each patch of the targets behind the known part by its log-likelihood, given what comes before."""
        assert window.future_target is not None
        n_targets, length = window.target.shape[-1], self.patch_length
        gap = window.target[:, -1:].expand(-1, self.sizes.output_shift, -1)
        ahead = self._filled(torch.cat([gap, window.future_target], dim=1))
        known = self._known(window)
        tokens, (_, spread) = self._scaled(window, ahead, known=known)
        mixture = self.decoder(tokens.values, tokens.places, self.size, self._added(window, tokens))

        def by_slot(part: Tensor) -> Tensor:
            """Return what there is of the targets' tokens, ``(B, C, N, ...)``."""
            read, ahead = part[:, : n_targets * self.n_read], part[:, n_targets * self.n_read :]
            ahead = ahead[:, : n_targets * self.n_ahead]
            return torch.cat([rearrange(x, "B (C N) ... -> B C N ...", C=n_targets) for x in (read, ahead)], dim=2)

        before = Mixture(*(by_slot(part)[:, :, :-1] for part in mixture))
        following, there = by_slot(tokens.values)[:, :, 1:], by_slot(tokens.places.there)[:, :, :-1]
        cost = by_slot(spread).log()[:, :, 1:] - before.log_prob(following)
        slots = torch.arange(1, self.n_read + self.n_ahead, device=cost.device)
        counts = (there & (slots >= known[:, None, None]))[..., None].expand_as(cost)
        cost, counts = (self._on_steps(part, length) for part in (cost, counts))
        return Training(None, scores=[Score("likelihood", cost, counts)])

    def _on_steps(self, of_patches: Tensor, length: int) -> Tensor:
        """Lay patches from the second on, ``(B, C, N - 1, p)``, out by steps of look-back and horizon."""
        steps = F.pad(rearrange(of_patches, "B C N p -> B (N p) C"), (0, 0, length, 0))
        read = steps[:, self._fill : self._fill + self.sizes.input_length]
        first = self.n_read * length + self.sizes.output_shift
        return torch.cat([read, steps[:, first : first + self.sizes.output_length]], dim=1)

    def _known(self, window: Window) -> Int[Tensor, " B"]:
        """Draw how many patches of each window are known; in evaluation those of the look-back."""
        batch, device = len(window.target), window.target.device
        end = torch.full((batch,), self.n_read, device=device)
        if not self.training:
            return end
        begins = torch.zeros_like(end) if window.start is None else (window.start + self._fill) // self.patch_length
        least = begins + (NORMALISER_SHARE * (end - begins)).ceil().long().clamp_min(1)
        share = torch.rand(batch, device="cpu").to(device)
        return (least + (share * (end - least + 1)).long()).minimum(end)

    def _scaled(
        self, window: Window, ahead: Float[Tensor, "B T C"], known: int | Int[Tensor, " B"]
    ) -> tuple[Tokens, tuple[Float[Tensor, "B n 1"], Float[Tensor, "B n 1"]]]:
        """Return all tokens at level and spread, and these; targets from the ``known`` patches on do not count."""
        n_targets = window.target.shape[-1]
        tokens = pack(*self.pieces(window, ahead), self.patch_length)
        known = torch.as_tensor(known, device=ahead.device).reshape(-1, 1)
        predicted = (tokens.places.variate < n_targets) & (tokens.slot >= known)
        level, spread = scales(tokens, predicted.expand_as(tokens.places.there))
        values = ((tokens.values - level) / spread).to(tokens.values.dtype)
        return tokens._replace(values=values), (level, spread)

    def pieces(self, window: Window, ahead: Float[Tensor, "B T C"]) -> tuple[list[Piece], list[Piece], list[Piece]]:
        """Return what tokens are made of: the targets with what is ahead, future covariates, past covariates."""
        there = self._there(window)
        seen = torch.ones_like(window.target, dtype=torch.bool) if window.missing is None else ~window.missing
        target = [self._read(window.target, there, seen & there[..., None]), self._followed(ahead)]
        future, past = [], []
        if window.historic_future is not None and window.future is not None:
            gap = window.historic_future[:, -1:].expand(-1, self.sizes.output_shift, -1)
            followed = self._followed(self._filled(torch.cat([gap, window.future], dim=1)))
            steps = torch.arange(followed.values.shape[1], device=gap.device)
            given = (steps >= self.sizes.output_shift) & (steps < self.sizes.output_shift + self.sizes.output_length)
            observed = given[:, None].expand_as(followed.observed)
            future = [self._read(window.historic_future, there), followed._replace(observed=observed)]
        if window.past is not None:
            past = [self._read(window.past, there)]
        return target, future, past

    def _there(self, window: Window) -> Bool[Tensor, "B L"]:
        """Say which steps of the look-back are no padding."""
        steps = torch.arange(self.sizes.input_length, device=window.target.device)
        start = torch.zeros_like(steps[:1]) if window.start is None else window.start
        return (steps >= start[:, None]).expand(len(window.target), -1)

    def _read(
        self, x: Float[Tensor, "B L V"], there: Bool[Tensor, "B L"], observed: Bool[Tensor, "B L V"] | None = None
    ) -> Piece:
        """Return a look-back with zeros for padding, and filled up by them on the left to whole patches."""
        observed = there[..., None].expand_as(x) if observed is None else observed
        over_time = (0, 0, self._fill, 0)
        read = x.where(there[..., None], 0)
        return Piece(F.pad(read, over_time), F.pad(observed, over_time), F.pad(there, (self._fill, 0)))

    def _filled(self, x: Shaped[Tensor, "B T V"]) -> Shaped[Tensor, "B N V"]:
        """Fill what is ahead up on the right to whole patches."""
        return F.pad(x, (0, 0, 0, self.n_ahead * self.patch_length - x.shape[1]))

    def _followed(self, x: Float[Tensor, "B N V"]) -> Piece:
        """Return what is ahead."""
        everything = torch.ones_like(x, dtype=torch.bool)
        return Piece(x, everything, everything[..., 0], first=self.n_read)

    def _added(self, window: Window, tokens: Tokens) -> Float[Tensor, "B n D"] | None:
        """Return what static covariates add to tokens of the targets."""
        if self.static is None or window.static is None:
            return None
        n_targets = window.target.shape[-1]
        of_targets = self.static(window.static).expand(-1, n_targets, -1)
        variate = tokens.places.variate
        added: Tensor = of_targets[:, variate.clamp_max(n_targets - 1)] * (variate < n_targets)[:, None]
        return added

    def _show(self, window: Window) -> None:
        """Record what the first pass over the look-back sees, over time and between variates."""
        n_targets, batch = window.target.shape[-1], len(window.target)
        ahead = window.target.new_zeros(batch, self.n_ahead * self.patch_length, n_targets)
        tokens, _ = self._scaled(window, ahead, known=self.n_read)
        read = (tokens.slot < self.n_read).nonzero().squeeze(1)
        n_past, n_future = self.sizes.n_past, self.sizes.n_future
        order = [*range(n_targets), *range(n_targets + n_future, n_targets + n_future + n_past)]
        order += range(n_targets, n_targets + n_future)
        read = read.view(-1, self.n_read)[order].flatten()
        tokens = tokens.take(read)
        with recording("attention", "routing") as seen, torch.no_grad():
            self.decoder(tokens.values, tokens.places, self.size, self._added(window, tokens))
        weigh = rearrange(tokens.places.there, "B (V N) -> B V N", N=self.n_read).to(window.target.dtype)
        weigh = weigh / weigh.sum(-1, keepdim=True)
        for layer, attention, routing in zip(self.decoder.layers, seen["attention"], seen["routing"], strict=True):
            maps = rearrange(
                attention.tensors["weights"], "B h (V n) (W m) -> B h V n W m", n=self.n_read, m=self.n_read
            )
            between = torch.einsum("bhvnwm,bvn->bhvw", maps, weigh)
            record("attention", layer, weights=between)
            record("attention", layer.get_submodule("attention"), weights=maps[:, :, :n_targets].sum(4).mean(2))
            shares = rearrange(routing.tensors["weights"], "B (V N) E -> B V N E", N=self.n_read)[:, :n_targets]
            record("routing", layer.get_submodule("feed_forward"), weights=shares.flatten(0, 1))
