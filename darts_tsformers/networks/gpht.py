"""GPHT: stages from coarse to fine, each a causal transformer, that forecast the next patch and read it on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.transformer.multi_head import to_front
from darts_tsformers.networks._gpht_stages import Hierarchy
from darts_tsformers.networks._lessons import Lesson, Training
from darts_tsformers.networks._network import Feed, Network, first_parameter
from darts_tsformers.recording import is_recording, record, recording
from darts_tsformers.recording.layout import Layout, TimeAxis
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, CovariateHead
from darts_tsformers.window.instance_norm import InstanceNorm, Statistics


@dataclass(frozen=True)
class Patched:
    """Whole patches of a window, and where the history of each sample begins in them; None if with the first step."""

    values: Float[Tensor, "B T C"]
    start: Int[Tensor, " B"] | None

    def there(self) -> Bool[Tensor, "B T C"] | None:
        """Say which values are no padding; None if all."""
        if self.start is None:
            return None
        steps = torch.arange(self.values.shape[1], device=self.values.device)
        return (steps >= self.start[:, None])[..., None].expand_as(self.values)

    def followed_by(self, patch: Float[Tensor, "B p C"]) -> "Patched":
        """Return as many patches, the newest of them ``patch``."""
        n = patch.shape[1]
        start = None if self.start is None else (self.start - n).clamp_min(0)
        return Patched(torch.cat([self.values[:, n:], patch], dim=1), start)


class GPHT(Network, name="gpht"):
    r"""Generative forecasting of patches by a hierarchy of causal transformers.

    .. math:: \hat y = \sum_k f_k(x_k), \qquad x_1 = x, \quad x_{k+1} = x_k - \mathrm{shift}(f_k(x_k))

    The look-back is cut into patches, from its end. Stage ``k`` takes the maximum over every ``pool_sizes[k]`` steps,
    and from each patch it forecasts the next one, at the full rate, for what the stages before it did not forecast. A
    horizon is put together of patches: what was forecast is read on as the newest patch, and the oldest one is
    forgotten. Each pass sees its patches at their own level and spread.

    It learns from every patch. Beyond the first patch of the horizon it learns the newest one of each pass, from what
    was really there.

    The components do not look at each other. What comes before the history of a series begins is left out, but for
    the rest of its first patch, which is level.

    Covariates, which the paper has no place for: what
    :class:`~darts_tsformers.window.covariates.CovariateHead` says is added to the horizon before it is read on. It is
    zero at the start.

    Cost: O(C N^2) for each of H / patch_length passes, with N = L / patch_length patches.

    Parameters
    ----------
    patch_length
        Steps of a patch.
    pool_sizes
        Of each stage, the steps that it takes the maximum of; each must divide ``patch_length``.
    n_encoder_layers
        Layers of each stage.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Liu et al., "Generative Pretrained Hierarchical Transformer for Time Series Forecasting", KDD 2024 (arXiv
    2402.16516). Written from the paper and from facts about the code (icantnamemyself/GPHT, cfdbbd2), whose figures the
    tests hold it to. Its ``token_len`` is ``patch_length``, its ``GT_pooling_rate`` is ``pool_sizes``, its
    ``GT_e_layers`` is ``n_encoder_layers``.

    Deviations: a look-back need not be whole patches; dropout acts on tokens, on what attention puts out and in the
    feed-forward parts, and not on the weights of attention; horizons of several patches are learnt at once, where the
    authors learn one patch ahead; the statistics of a pass are detached. As in the paper they are those of all patches,
    so that while it learns a patch gives away a little of itself to those before it.

    Parameters of a likelihood that are no level keep the unit of the first pass.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import GPHT
    >>> network = GPHT(Sizes(input_length=48, output_length=20), patch_length=12, pool_sizes=(4, 1), d_model=16).eval()
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # a patch of 12 steps, and 8 of another
    torch.Size([2, 20, 3, 1])
    """

    reads = ALL_KINDS
    knows_start = True
    knows_units = True
    width_tie = None

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int = 48,
        pool_sizes: Sequence[int] = (8, 4, 2, 1),
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.1,
        activation: str = "gelu",
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, patch_length=patch_length, d_model=d_model, n_heads=n_heads, d_ff=d_ff)
        require_at_least(1, n_encoder_layers=n_encoder_layers)
        require_probability(dropout=dropout)
        if not pool_sizes:
            raise ValueError(f"pool_sizes={pool_sizes!r} must name one stage or more")
        for pool_size in pool_sizes:
            require_at_least(1, pool_sizes=pool_size)
            if patch_length % pool_size:
                raise ValueError(f"pool_sizes={tuple(pool_sizes)} must each divide patch_length={patch_length}")
        self.patch_length = patch_length
        self.norm = InstanceNorm(epsilon=1e-5)  # as its weights were learnt
        self.hierarchy = Hierarchy(
            pool_sizes,
            patch_length,
            level=sizes.n_levels // 2,
            n_parameters=sizes.n_parameters,
            d_model=d_model,
            n_heads=n_heads,
            n_layers=n_encoder_layers,
            d_ff=d_ff,
            dropout=dropout,
            activation=activation,
        )
        covariates = CovariateHead(sizes, ALL_KINDS)
        self.covariates = covariates if covariates.is_used else None

    @property
    def feeds_on_itself(self) -> bool:
        """Always: each patch of the horizon is forecast from the one before."""
        return True

    @property
    def n_passes(self) -> int:
        """How many patches reach over the horizon, the steps of an output shift included."""
        return -(-(self.sizes.output_shift + self.sizes.output_length) // self.patch_length)

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: the patches that are read, of the look-back and of the horizon."""
        p, length = self.patch_length, self.sizes.input_length
        last = range(p - length - self._n_lacking, p * self.n_passes, p)
        axis = TimeAxis(tuple(max(end - p, -length) + 1 for end in last), tuple(last))
        return dict.fromkeys(self.attention_layers(), Layout((axis, axis), per_component=True))

    def forward(self, window: Window, feed: Feed = first_parameter) -> Float[Tensor, "B H C Q"]:
        """Forecast. What the first stages make of it can be recorded."""
        shift, p = self.sizes.output_shift, self.patch_length
        added = F.pad(self._added(window), (0, 0, 0, 0, shift, 0))
        patches = self._patched(window)
        parts: list[Tensor] = []
        for i in range(self.n_passes):
            more = added[:, i * p : (i + 1) * p]
            parts.append(self.ahead(patches, i)[:, :, -p:][:, :, : more.shape[1]] + more)
            fed = feed(parts[-1][-1])
            if i + 1 < self.n_passes:
                patches = patches.followed_by(fed.to(patches.values.dtype))
        sums = torch.cat(parts, dim=2)[:, :, shift:]
        record("stages", self, level=sums[0], **{f"up_to_{k}": each for k, each in enumerate(sums[1:], 1)})
        return sums[-1]

    def learn(self, window: Window) -> Training:
        """Forecast the next patch from each patch of the look-back, and from the newest one of all further passes."""
        assert window.future_target is not None
        p, n = self.patch_length, self.n_passes
        gap = window.target[:, -1:].expand(-1, self.sizes.output_shift, -1)
        followed = torch.cat([gap, window.future_target], dim=1)
        passes = [self._patched(window)]
        for i in range(n - 1):
            passes.append(passes[-1].followed_by(followed[:, i * p : (i + 1) * p]))
        first, *others = self.ahead(_side_by_side(passes))[-1].chunk(n)
        forecast = torch.cat([first, *(one[:, -p:] for one in others)], dim=1)
        at, step = self._reach(first.shape[1], forecast.shape[1], forecast.device)
        added = F.pad(self._added(window), (0, 0, 0, 0, self.sizes.input_length, 0))
        return Training(None, [Lesson("patches", forecast[:, at] + added[:, step], self._known(window, at, step))])

    def ahead(self, patches: Patched, n_read: int = 0) -> Float[Tensor, "S B T C Q"]:
        """Return what no stage, the first one, the first two, ... forecast from each patch of the next one.

        Parameters
        ----------
        patches
            What to read.
        n_read
            How many patches of the horizon are among them; with any, attention is recorded of the newest alone.
        """
        there = patches.there()
        values, statistics = self.norm(patches.values, None if there is None else ~there)
        if there is not None:
            values = values.masked_fill(~there, 0)
        n_targets = values.shape[-1]
        start = None
        if patches.start is not None:
            start = (patches.start // self.patch_length).repeat_interleave(n_targets)
        sums = self._recorded(rearrange(values, "B T C -> (B C) T"), start, n_read)
        return self._restored(rearrange(sums, "K (B C) T Q -> K B T C Q", C=n_targets), statistics)

    def _recorded(
        self, x: Float[Tensor, "R T"], start: Int[Tensor, " R"] | None, n_read: int
    ) -> Float[Tensor, "S R T Q"]:
        """Apply the stages, and put attention where its patches are in look-back and horizon."""
        if not is_recording("attention"):
            return self._staged(x, start)
        with recording("attention") as inner:
            sums = self._staged(x, start)
        for entry in inner["attention"]:
            weights = entry.tensors["weights"]
            if start is not None:
                weights = to_front(to_front(weights, -start, dim=2), -start, dim=3)
            record("attention", entry.module, weights=F.pad(weights[:, :, -1 if n_read else 0 :], (n_read, 0)))
        return sums

    def _staged(self, x: Float[Tensor, "R T"], start: Int[Tensor, " R"] | None) -> Float[Tensor, "S R T Q"]:
        """Apply the stages to patches of which the first ``start`` are padding: behind the others they are not seen."""
        if start is None:
            sums: Tensor = self.hierarchy(x)
            return sums
        p = self.patch_length
        moved = to_front(rearrange(x, "R (N p) -> R N p", p=p), start, dim=1)
        out = rearrange(self.hierarchy(moved.flatten(1)), "K R (N p) Q -> R N K p Q", p=p)
        return rearrange(to_front(out, -start, dim=1), "R N K p Q -> K R (N p) Q")

    def _restored(self, raw: Float[Tensor, "S B T C Q"], statistics: Statistics) -> Float[Tensor, "S B T C Q"]:
        """Bring what is a level back to the units of the window."""
        n = self.sizes.n_levels
        levels = raw[..., :n] * statistics.spread.unsqueeze(-1) + statistics.level.unsqueeze(-1)
        return torch.cat([levels, raw[..., n:].to(levels.dtype)], dim=-1)

    @property
    def _n_lacking(self) -> int:
        """Steps that the first patch of a look-back lacks."""
        return -self.sizes.input_length % self.patch_length

    def _patched(self, window: Window) -> Patched:
        """Return the patches of a look-back."""
        lacking = self._n_lacking
        values = F.pad(window.target, (0, 0, lacking, 0))
        if window.start is not None:
            return Patched(values, window.start + lacking)
        start = torch.full((len(values),), lacking, device=values.device) if lacking else None
        return Patched(values, start)

    def _reach(self, n_first: int, n: int, device: torch.device) -> tuple[Int[Tensor, " M"], Int[Tensor, " M"]]:
        """Return which of ``n`` forecasts are of a step that is known, and which step of look-back and horizon it is.

        The first ``n_first`` begin at the second patch of the look-back; all follow one another.
        """
        length, shift = self.sizes.input_length, self.sizes.output_shift
        of = torch.arange(n, device=device) + length - n_first + self.patch_length
        known = (of < length) | (of >= length + shift) & (of < length + shift + self.sizes.output_length)
        at, of = known.nonzero().squeeze(1), of[known]
        return at, torch.where(of < length, of, of - shift)

    def _known(
        self, window: Window, at: Int[Tensor, " M"], step: Int[Tensor, " M"]
    ) -> Int[Tensor, " M"] | Int[Tensor, "B M C"]:
        """Return of which steps the forecasts are; the first one, which is not known, for those made from padding."""
        if window.start is None:
            return step
        patch = (window.start + self._n_lacking) // self.patch_length
        is_padding = (at // self.patch_length < patch[:, None])[..., None]
        return torch.where(is_padding, 0, step[:, None]).expand(-1, -1, window.target.shape[-1])

    def _added(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Return what covariates add to the horizon."""
        if self.covariates is not None:
            out: Tensor = self.covariates(window)
            return out
        target = window.target
        return target.new_zeros(target.shape[0], self.sizes.output_length, target.shape[-1], self.sizes.n_parameters)


def _side_by_side(passes: Sequence[Patched]) -> Patched:
    """Make one batch of several passes."""
    starts = [one.start for one in passes if one.start is not None]
    return Patched(torch.cat([one.values for one in passes]), torch.cat(starts) if starts else None)
