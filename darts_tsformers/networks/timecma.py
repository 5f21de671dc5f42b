"""TimeCMA: what a series says of each variate looks up what a language model says of it."""

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag, require_one_of, require_probability
from darts_tsformers.language import language_model
from darts_tsformers.layers.mixing.alignment import CrossModalAlignment
from darts_tsformers.layers.transformer.feed_forward import ACTIVATIONS
from darts_tsformers.layers.transformer.pre_norm import PreNormDecoderLayer, PreNormEncoderLayer, Stack
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._timecma_prompts import WindowPrompts
from darts_tsformers.networks._variates import LAYOUT, VariateTokens
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class TimeCMA(Network, VariateTokens, name="timecma"):
    """Cross-modality alignment of a series with words about it.

    1. One token for each variate: a linear map of its look-back. Pre-norm encoder layers let the tokens attend to each
       other.
    2. The look-back of each variate is put into words: its first and last step, its values, rounded, and the sum of its
       changes. The last hidden state of a frozen language model that has read them is the token of its prompt; encoder
       layers of that width let these attend to each other.
    3. The alignment (:class:`~darts_tsformers.layers.mixing.alignment.CrossModalAlignment`): each feature of the series
       looks up the features of the prompts that go over the variates as it does.
    4. Decoder layers, in which the tokens attend to each other and to those that came out of the alignment; a linear
       map of each target's token is its forecast.

    With ``backbone="none"`` steps 2 and 3 are left out: what remains is near iTransformer, and what the language model
    adds can be measured. No parameter then depends on the number of variates; otherwise the alignment is tied to it.

    Prompts are made of the numbers that the network sees, so that they are at the scale of the series. A prompt that
    was read is kept, and not read again in the next epoch.

    Covariates: a past covariate is one more variate, through the same map; a future covariate has a map of its own over
    look-back and horizon, and a prompt of its look-back; static covariates add to the token of their variate. Each
    covariate has a learned mark. The marks, what is common to past covariates and the map of the static ones start at
    zero.

    Cost: that of the language model for ``C + P + F`` prompts of O(L) tokens in each new window; else O(L) in the
    look-back, O((C + P + F)^2) in the variates.

    Parameters
    ----------
    n_heads
        Attention heads (``h``); must divide ``d_model`` and the width of the language model.
    d_ff_alignment
        Inner width of the feed-forward part of the alignment.
    dropout
        In the layers.
    faithful
        Whether the alignment normalises over the variates and adds to what was normalised, as the authors' code does.
    description
        What the prompts say of the data, as ``"One value an hour."``; None for nothing.
    prompt_decimals
        Decimals that the numbers in the prompts are rounded to; they are written as whole numbers of the last one.
    n_kept_prompts
        Prompts whose states are kept in memory, the first ones: with GPT-2 some 3 kB each.

    Raises
    ------
    ImportError
        If a language model is asked for and ``transformers`` is not installed.
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Liu et al., "TimeCMA: Towards LLM-Empowered Multivariate Time Series Forecasting via Cross-Modality Alignment", AAAI
    2025.

    Deviations: the authors' prompts hold dates, and values in the units of the data, cut to whole numbers, beside a
    series that is standardised; ours count steps, for a window has no dates, and are at the scale of the series. Their
    alignment normalises over the variates, which leaves nothing of a single one and signs of two; ours normalises each
    variate over its features, and adds to what was not normalised, unless ``faithful``. Their feed-forward parts are
    2,048 wide. Values that were not observed are called unknown. Dropout never acts on attention weights.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import TimeCMA
    >>> sizes = Sizes(input_length=48, output_length=6, n_targets=3)
    >>> tiny = {"backbone": "random", "backbone_sizes": {"d_model": 16, "n_layers": 1, "n_heads": 2}}
    >>> network = TimeCMA(sizes, d_model=16, n_heads=2, **tiny)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        d_model: int = 64,
        n_heads: int = 8,
        n_encoder_layers: int = 1,
        n_decoder_layers: int = 2,
        d_ff: int = 256,
        d_ff_alignment: int = 32,
        dropout: float = 0.1,
        activation: str = "relu",
        faithful: bool = False,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = None,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
        description: str | None = None,
        prompt_decimals: int = 1,
        n_kept_prompts: int = 100_000,
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, d_model=d_model, n_heads=n_heads, d_ff=d_ff, d_ff_alignment=d_ff_alignment)
        require_at_least(1, n_encoder_layers=n_encoder_layers, n_decoder_layers=n_decoder_layers)
        require_at_least(0, prompt_decimals=prompt_decimals, n_kept_prompts=n_kept_prompts)
        require_probability(dropout=dropout)
        require_one_of(ACTIVATIONS, activation=activation)
        require_flag(faithful=faithful)
        language = language_model(
            backbone,
            hub_model_revision=hub_model_revision,
            architecture=architecture,
            backbone_sizes=backbone_sizes,
            n_backbone_layers=n_backbone_layers,
            lora_rank=lora_rank,
            backbone_precision=backbone_precision,
        )
        if language is not None and language.d_model % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide the width {language.d_model} of backbone={backbone!r}")
        layer: dict[str, Any] = {"dropout": dropout, "activation": activation}
        n_covariates = sizes.n_past + sizes.n_future
        self._build_tokens(sizes, d_model)
        self.covariate_marks = nn.Parameter(torch.zeros(n_covariates, d_model)) if n_covariates else None
        self.encoder = Stack(PreNormEncoderLayer(d_model, n_heads, d_ff, **layer) for _ in range(n_encoder_layers))
        self.language_branch = (
            LanguageBranch(
                WindowPrompts(language, description=description, n_decimals=prompt_decimals, n_kept=n_kept_prompts),
                Stack(PreNormEncoderLayer(language.d_model, n_heads, d_ff, **layer) for _ in range(n_encoder_layers)),
                CrossModalAlignment(
                    sizes.n_targets + n_covariates,
                    d_series=d_model,
                    d_prompt=language.d_model,
                    d_ff=d_ff_alignment,
                    dropout=dropout,
                    faithful=faithful,
                ),
            )
            if language is not None
            else None
        )
        self.decoder = Stack(PreNormDecoderLayer(d_model, n_heads, d_ff, **layer) for _ in range(n_decoder_layers))
        self.head = nn.Linear(d_model, sizes.output_length * sizes.n_parameters)

    @property
    def width_tie(self) -> str | None:
        """The alignment, whose weights are over the variates; without a language model nothing."""
        return None if self.language_branch is None else "backbone"

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: variables."""
        return dict.fromkeys(self.attention_layers(), LAYOUT)

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        n_targets = window.target.shape[-1]
        tokens = self._embed(window)
        if self.covariate_marks is not None:
            tokens = torch.cat([tokens[:, :n_targets], tokens[:, n_targets:] + self.covariate_marks], dim=1)
        tokens = self.encoder(tokens)
        if self.language_branch is not None:
            tokens = self.language_branch(tokens, window)
        tokens = self.decoder(tokens, tokens)
        out = self.head(tokens[:, :n_targets])
        return rearrange(out, "B C (H Q) -> B H C Q", Q=self.sizes.n_parameters)


class LanguageBranch(nn.Module):
    """From a window to the tokens of its prompts, which the tokens of the series are aligned with.

    Parameters
    ----------
    prompts, encoder, alignment
        What puts variates into words and has them read, lets their tokens attend to each other, and aligns.
    """

    def __init__(self, prompts: WindowPrompts, encoder: Stack, alignment: CrossModalAlignment) -> None:
        super().__init__()
        self.prompts, self.encoder, self.alignment = prompts, encoder, alignment

    def forward(self, tokens: Float[Tensor, "B N D"], window: Window) -> Float[Tensor, "B N D"]:
        """Align the tokens of the series."""
        aligned: Tensor = self.alignment(tokens, self.encoder(self.prompts(*_variates(window))))
        return aligned


def _variates(window: Window) -> tuple[Float[Tensor, "B L N"], Bool[Tensor, "B L N"] | None]:
    """Return the look-back of all variates side by side, and what of it was not observed."""
    given = (window.target, window.past, window.historic_future)
    x = torch.cat([part for part in given if part is not None], dim=-1)
    if window.missing is None:
        return x, None
    seen = torch.zeros_like(x[..., window.target.shape[-1] :], dtype=torch.bool)
    return x, torch.cat([window.missing, seen], dim=-1)
