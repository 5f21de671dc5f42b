"""AutoTCL: an encoder that learns by contrast with views that are learnt, and a linear head."""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from darts_tsformers.checks import require_at_least, require_flag, require_not_negative
from darts_tsformers.layers.contrastive.augmentation import Augmenter
from darts_tsformers.layers.contrastive.contrast import Contrast
from darts_tsformers.layers.contrastive.dilated import DilatedEncoder
from darts_tsformers.networks._lessons import Training
from darts_tsformers.networks._network import Network
from darts_tsformers.recording import is_recording, record
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, FutureResponse, zero_linear

MOST_BLOCKS, MOST_SCALES = 11, 8
"""As many as the authors have."""
BLOCKS_OF_AUGMENTER = 4


class AutoTCL(Network, name="autotcl"):
    r"""Parametric augmentation and contrastive learning.

    1. An encoder of dilated convolutions makes a vector of each step
       (:class:`~darts_tsformers.layers.contrastive.dilated.DilatedEncoder`).
    2. It learns by contrast: which view is of which window, and which piece of a window follows which. The views are
       learnt too: a mask and a scale for each value
       (:class:`~darts_tsformers.layers.contrastive.contrast.Contrast`).
    3. The forecast is a linear map of the vector of the last step. It does not teach the encoder, unless
       ``end_to_end=True``.

    All of this is learnt in one go, each part by its own loss: by the side of the loss of the forecast there are
    ``train_contrast`` and ``train_local`` of the encoder, ``train_relevance``, ``train_sparsity`` and
    ``train_consistency`` of the views, and ``train_ridge`` of the head. The contrast is between the windows of a batch:
    a larger batch has more to tell apart. In a forecast, windows do not see each other.

    Covariates: past covariates, and the past of the future ones, are further features of each step, as in the paper.
    Static covariates add to the vector that is forecast from, and each step responds to what is known of it through
    :class:`~darts_tsformers.window.covariates.FutureResponse`; both start at zero.

    Cost: O(C L (n d^2 + D^2 k)) for n blocks of d channels and a longest scale of k steps; in a forecast the scales are
    read at the last step alone.

    Parameters
    ----------
    d_hidden
        Channels of the blocks but the last (``d``).
    d_model
        Width of the vector of a step (``D``).
    n_blocks
        Blocks of two convolutions each; the dilation doubles from one to the next. None for as many as it takes to look
        back on all of the look-back, at most 11.
    n_scales
        Convolutions of 1, 2, 4, ... steps whose mean is the vector of a step. None for as many as there is room for in
        the look-back, at most 8.
    causal
        Whether the vector of a step depends on the steps before alone. Else a block looks as far to either side, as in
        the paper; nothing comes after the last step, which is forecast from.
    d_augmenter
        Channels of the network that makes the views.
    dropout
        On the features that the scales read.
    hard_mask
        Whether a value is in a view or not; else it may be there in part.
    hide_rate
        Share of the steps that are hidden from the encoder while it learns by contrast.
    temperature
        Of the contrast between windows; small ones look at the most similar.
    local_weight
        Weight of the contrast within a window; 0 for none.
    kept_weight, consistency_weight
        How much it counts that views keep more than 0.4 of the values, and that masks flicker.
    ridge
        Weight of the squared weights of the head, as a mean over its outputs.
    end_to_end
        Whether the forecast teaches the encoder too.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Zheng et al., "Parametric Augmentation for Time Series Contrastive Learning", ICLR 2024.

    Deviations: the paper fits a ridge regression to an encoder that has learnt before; here the head, with the penalty
    of such a regression, learns while the encoder does, by the loss or likelihood of the user. Components are series of
    their own unless ``channel_independent=False``, which the paper has for most data; each variable is then viewed by
    itself too. Blocks are causal by default. The authors evaluate with the mean of all encoders on the way; for that
    there are callbacks. See :class:`~darts_tsformers.layers.contrastive.contrast.Contrast` and
    :class:`~darts_tsformers.layers.contrastive.augmentation.Augmenter` for what is repaired.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import AutoTCL
    >>> network = AutoTCL(Sizes(input_length=48, output_length=6), d_hidden=8, d_model=16)
    >>> window = Window(torch.randn(5, 48, 3))  # (B, L, C): any number of components
    >>> network(window).shape
    torch.Size([5, 6, 3, 1])
    >>> sorted(network.learn(window).penalties)
    ['consistency', 'contrast', 'local', 'relevance', 'ridge', 'sparsity']
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        channel_independent: bool = True,
        d_hidden: int = 64,
        d_model: int = 128,
        n_blocks: int | None = None,
        n_scales: int | None = None,
        causal: bool = True,
        d_augmenter: int = 16,
        dropout: float = 0.1,
        hard_mask: bool = True,
        hide_rate: float | int = 0.5,
        temperature: float | int = 1.0,
        local_weight: float | int = 0.72,
        kept_weight: float | int = 0.2,
        consistency_weight: float | int = 0.002,
        ridge: float | int = 1e-3,
        end_to_end: bool = False,
    ) -> None:
        super().__init__(sizes)
        require_flag(channel_independent=channel_independent, causal=causal, hard_mask=hard_mask, end_to_end=end_to_end)
        require_not_negative(ridge=ridge)
        if n_blocks is None:
            n_blocks = min(max((sizes.input_length - 1).bit_length(), 1), MOST_BLOCKS)
        if n_scales is None:
            n_scales = min(sizes.input_length.bit_length(), MOST_SCALES)
        require_at_least(1, n_blocks=n_blocks, n_scales=n_scales, d_augmenter=d_augmenter)
        self.channel_independent, self.end_to_end, self.ridge = channel_independent, end_to_end, ridge
        self.n_values = 1 if channel_independent else sizes.n_targets
        n_features = self.n_values + sizes.n_past + sizes.n_future
        kernels = [2**i for i in range(n_scales)]
        self.encoder = DilatedEncoder(
            n_features,
            d_hidden=d_hidden,
            d_model=d_model,
            n_blocks=n_blocks,
            kernels=kernels,
            causal=causal,
            dropout=dropout,
        )
        augmenter = Augmenter(
            1 if channel_independent else n_features,
            d_hidden=d_augmenter,
            d_model=d_augmenter,
            n_blocks=min(n_blocks, BLOCKS_OF_AUGMENTER),
            kernels=kernels,
            hard=hard_mask,
        )
        self.contrast = Contrast(
            augmenter,
            temperature=temperature,
            local_weight=local_weight,
            hide_rate=hide_rate,
            kept_weight=kept_weight,
            consistency_weight=consistency_weight,
        )
        n_outputs = self.n_values * sizes.n_parameters
        self.head = torch.nn.Linear(d_model, sizes.output_length * n_outputs)
        n_static = sizes.n_static * (1 if channel_independent else sizes.n_static_rows)
        self.static = zero_linear(n_static, d_model) if n_static else None
        self.future = FutureResponse(d_model, sizes.n_future, n_outputs) if sizes.n_future else None

    @property
    def token_steps(self) -> Int[Tensor, "L 1"]:
        """Each step is a token.

        Raises
        ------
        ValueError
            If a token stands for the step of all components.
        """
        if not self.channel_independent:
            raise ValueError(
                "channel_independent=False must be True: a token is of all components, and hides none alone"
            )
        return torch.arange(self.sizes.input_length)[:, None]

    @property
    def width_tie(self) -> str | None:
        """Nothing, unless a step holds the values of all components."""
        return None if self.channel_independent else "channel_independent"

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        if is_recording("mask"):
            record("mask", self.contrast, kept=self.contrast.kept(window)[..., : window.target.shape[-1]])
        return self._forecast(self._last(window), window)

    def learn(self, window: Window) -> Training:
        """Add to the forecast what encoder and views learn by contrast, and what the weights of the head cost."""
        with torch.set_grad_enabled(self.end_to_end and torch.is_grad_enabled()):
            last = self._last(window)
        penalties = self.contrast(self.encode, self.encoder, window)
        if self.ridge:
            penalties["ridge"] = self.ridge * self.head.weight.square().sum(dim=-1).mean()
        return Training(self._forecast(last, window), penalties=penalties)

    def encode(self, window: Window) -> Float[Tensor, "B R L D"]:
        """Return a vector for each step of the look-back: of each component, or of all of them in one row."""
        return rearrange(self.encoder(self._rows(window)), "(B R) L D -> B R L D", R=self._n_rows(window))

    def _last(self, window: Window) -> Float[Tensor, "B R D"]:
        """Return the vector of the last step."""
        return rearrange(self.encoder.last(self._rows(window)), "(B R) D -> B R D", R=self._n_rows(window))

    def _n_rows(self, window: Window) -> int:
        return window.target.shape[-1] if self.channel_independent else 1

    def _rows(self, window: Window) -> Float[Tensor, "BR L N"]:
        """Return the features of each step of each row: the values of the target, and covariates."""
        target = window.target
        values = rearrange(target, "B L C -> B C L 1") if self.channel_independent else target[:, None]
        known = [
            x[:, None].expand(-1, values.shape[1], -1, -1)
            for x in (window.past, window.historic_future)
            if x is not None
        ]
        return torch.cat([values, *known], dim=-1).flatten(0, 1)

    def _forecast(self, last: Float[Tensor, "B R D"], window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast from the vector of the last step."""
        if self.static is not None and window.static is not None:
            static = window.static if self.channel_independent else window.static.flatten(1)[:, None]
            last = last + self.static(static)
        out = rearrange(self.head(last), "B R (H N) -> B R H N", H=self.sizes.output_length)
        if self.future is not None and window.future is not None:
            out = out + self.future(window.future, last)
        return rearrange(out, "B R H (C Q) -> B H (R C) Q", C=self.n_values)
