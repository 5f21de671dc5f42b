"""GPHT: stages from coarse to fine, each a causal transformer, that forecast the next patch and read it on."""

from collections.abc import Sequence

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.transformer.multi_head import to_front
from darts_tsformers.networks._gpht_stages import Hierarchy
from darts_tsformers.networks._network import Feed, Network, first_parameter
from darts_tsformers.networks._patch_by_patch import PatchByPatch, Patched
from darts_tsformers.recording import is_recording, record, recording
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class GPHT(PatchByPatch, Network, name="gpht"):
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
    head_patterns = ("hierarchy.stages.*.head.*",)

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
        self._build_passes(patch_length, ALL_KINDS)

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: the patches that are read, of the look-back and of the horizon."""
        return dict.fromkeys(self.attention_layers(), self._layout())

    def forward(self, window: Window, feed: Feed = first_parameter) -> Float[Tensor, "B H C Q"]:
        """Forecast. What the first stages make of it can be recorded."""
        sums = self._rolled_out(window, feed)
        record("stages", self, level=sums[0], **{f"up_to_{k}": each for k, each in enumerate(sums[1:], 1)})
        return sums[-1]

    def _raw_ahead(self, values: Float[Tensor, "B T C"], patches: Patched, n_read: int) -> Float[Tensor, "S B T C Q"]:
        """Return what no stage, the first one, the first two, ... forecast."""
        n_targets = values.shape[-1]
        start = None
        if patches.start is not None:
            start = (patches.start // self.patch_length).repeat_interleave(n_targets)
        sums = self._recorded(rearrange(values, "B T C -> (B C) T"), start, n_read)
        return rearrange(sums, "K (B C) T Q -> K B T C Q", C=n_targets)

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
