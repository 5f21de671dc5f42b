"""Time-LLM: a frozen language model reads a prompt and patches that are translated into words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag, require_one_of, require_probability
from darts_tsformers.language import LanguageModel, language_model
from darts_tsformers.layers.convolution import TokenConvolution
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.transformer.patching import Patching
from darts_tsformers.layers.transformer.reprogramming import (
    FreePrototypes,
    Reprogramming,
    TextPrototypes,
    nearest_words,
)
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._time_llm_prompts import Prompts, Spoken
from darts_tsformers.recording import is_recording, record, recording
from darts_tsformers.recording.layout import Layout, NamedAxis
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, FutureResponse, zero_linear

PROMPTS = ("statistics", "task", "none")
N_NAMED = 3
"""Nearest words that name a prototype."""


class TimeLLM(Network, name="time_llm"):
    r"""A frozen language model that reads a prompt and the patches of one component, translated into words.

    Each component is cut into patches, and a convolution over three of them makes tokens. These attend to prototypes,
    which are mixtures of the words that the language model knows. The language model reads a prompt that describes the
    window, and then the result of this attention. A linear map of the first ``d_ff`` features of its states at the
    patches is the forecast.

    Covariates, which the paper has no place for: past and historic future covariates are cut into the same patches and
    added to every component's tokens through a linear map; static covariates add to the tokens of their component;
    future covariates act through :class:`~darts_tsformers.window.covariates.FutureResponse`. All start at zero.

    Cost: that of the language model on C windows of a prompt and N = L / stride patches; a decoder reads once what all
    prompts of a batch begin with.

    Parameters
    ----------
    backbone_sizes
        Of an untrained language model: ``d_model``, ``n_layers``, ``n_heads``, ``d_ff``, and what else its
        configuration has; None for those of the smallest GPT-2.
    prompt
        What stands before the patches: ``"statistics"`` for the description, the task and what the window is like, as
        in the paper; ``"task"`` for the first two, which are the same for all windows; ``"none"`` for nothing.
    description
        What the series are, in a sentence or two. None says that they are values at equal steps.
    n_prototypes
        Mixtures of words that a patch is said in terms of (``V'``); 1000 in the paper.
    patch_length
        Steps of a patch (``L_p``); at most the look-back. None for 16, or the whole look-back where that is less.
    stride
        Steps between the starts of two patches (``S``).
    pad_end
        Whether the last value is repeated ``stride`` times, for one patch more.
    d_model
        Width of a patch before it is said in words (``d_m``).
    n_heads
        Heads of the attention to prototypes.
    d_ff
        Width of such a head, and features of the language model that the forecast is made of (``D`` of the paper's
        output).
    dropout
        On the tokens of patches and on what attention gives.
    head_dropout
        On the forecast, in training.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Jin et al., "Time-LLM: Time Series Forecasting by Reprogramming Large Language Models", ICLR 2024.

    Deviations from the authors' code:

    * Prompts of a batch are padded on the left, and the padding is masked; there it stands between prompt and patches,
      unmasked, so that a forecast depends on the prompts of the other windows.
    * Numbers have two decimals. The five lags are different ones; there they are 0 and, since a circular
      autocorrelation is symmetric, two lags and their mirror images. The wording is ours.
    * Dropout acts on what attention gives, not on its weights, and never in the language model.
    * The convolution joins the ends of the look-back, as in their code.

    Without a language model (``backbone="none"``), what patches have found goes straight to the head; prototypes are as
    many learnt vectors of width ``d_ff``, and there is no prompt.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import TimeLLM
    >>> network = TimeLLM(Sizes(input_length=48, output_length=6), backbone="none")
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # any number of components
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS
    width_tie = None

    def __init__(
        self,
        sizes: Sizes,
        *,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = 6,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
        prompt: str = "statistics",
        description: str | None = None,
        n_prototypes: int = 100,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 16,
        n_heads: int = 8,
        d_ff: int = 32,
        dropout: float = 0.1,
        head_dropout: float = 0.0,
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, d_model=d_model, n_heads=n_heads, d_ff=d_ff)
        require_probability(dropout=dropout, head_dropout=head_dropout)
        require_one_of(PROMPTS, prompt=prompt)
        require_flag(pad_end=pad_end)
        if description is not None and not isinstance(description, str):
            raise ValueError(f"description={description!r} must be a text or None")
        patch_length = min(16, sizes.input_length) if patch_length is None else patch_length
        self.patching = Patching(sizes.input_length, patch_length, stride, pad_end=pad_end)
        self.language = language_model(
            backbone,
            hub_model_revision=hub_model_revision,
            architecture=architecture,
            backbone_sizes=backbone_sizes,
            n_backbone_layers=n_backbone_layers,
            lora_rank=lora_rank,
            backbone_precision=backbone_precision,
        )
        self.prompts = None
        if self.language is not None and prompt != "none":
            self.prompts = Prompts(sizes, description, with_statistics=prompt == "statistics")
        width = d_ff if self.language is None else self.language.d_model
        if d_ff > width:
            raise ValueError(f"d_ff={d_ff} must be at most the width of the language model, which is {width}")

        self.embedding = TokenConvolution(patch_length, d_model, padding_mode="circular", bias=False)
        nn.init.kaiming_normal_(self.embedding.linear.weight, mode="fan_in", nonlinearity="leaky_relu")
        n_covariates = sizes.n_past + sizes.n_future
        self.covariates = zero_linear(n_covariates * patch_length, d_model) if n_covariates else None
        self.static = zero_linear(sizes.n_static, d_model) if sizes.n_static else None
        self.dropout = Dropout(dropout)
        self.prototypes = (
            FreePrototypes(n_prototypes, width)
            if self.language is None
            else TextPrototypes(len(self.language.table), n_prototypes)
        )
        self.reprogramming = Reprogramming(d_model, width, n_heads=n_heads, d_head=d_ff, dropout=dropout)
        self.d_ff = d_ff
        self.head = nn.Linear(self.patching.n_patches * d_ff, sizes.output_length * sizes.n_parameters)
        self.head_dropout = Dropout(head_dropout)
        self.future = FutureResponse(d_ff, sizes.n_future, sizes.n_parameters) if sizes.n_future else None

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers of the language model."""
        return [] if self.language is None else [f"language.{path}" for path in self.language.attention_layers()]

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: patches, component by component, and prototypes by their nearest words."""
        axis = self.patching.axis()
        found = dict.fromkeys(self.attention_layers(), Layout((axis, axis), per_component=True))
        return found | {"reprogramming": Layout((axis, NamedAxis(self.prototype_names)), per_component=True)}

    @torch.no_grad()
    def prototype_names(self) -> list[str]:
        """Return a name for each prototype: its number, and the words nearest to it if it is made of words."""
        prototypes = self.drawn_prototypes()
        if self.language is None:
            return [f"prototype {i}" for i in range(1, len(prototypes) + 1)]
        found = nearest_words(prototypes, self.language.table.to(prototypes.dtype), N_NAMED).tolist()
        return [f"{i}: {', '.join(map(_shown, self.language.words(ids)))}" for i, ids in enumerate(found, 1)]

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        said = self.reprogramming(self.dropout(self.embed(window)), self.drawn_prototypes())
        return self.forecast(self._read(said, window.target), window)

    def embed(self, window: Window) -> Float[Tensor, "K N d"]:
        """Return the patches of each component as tokens; ``K`` is ``B C``."""
        patches = self.patching(rearrange(window.target, "B L C -> B C L"))
        tokens = rearrange(self.embedding(patches.flatten(0, 1)), "(B C) N d -> B C N d", C=patches.shape[1])
        if self.covariates is not None:
            known = [x for x in (window.past, window.historic_future) if x is not None]
            beside = self.patching(rearrange(torch.cat(known, dim=-1), "B L P -> B P L"))
            tokens = tokens + self.covariates(rearrange(beside, "B P N p -> B 1 N (P p)"))
        if self.static is not None and window.static is not None:
            tokens = tokens + rearrange(self.static(window.static), "B V d -> B V 1 d")
        return tokens.flatten(0, 1)

    def forecast(self, states: Float[Tensor, "K N D"], window: Window) -> Float[Tensor, "B H C Q"]:
        """Return the forecast that the last states of the patches give."""
        features = rearrange(states[..., : self.d_ff], "(B C) N D -> B C N D", C=window.target.shape[-1])
        out = self.head_dropout(self.head(features.flatten(-2)))
        out = rearrange(out, "B C (H Q) -> B C H Q", Q=self.sizes.n_parameters)
        if self.future is not None and window.future is not None:
            out = out + self.future(window.future, features.mean(dim=2))
        return rearrange(out, "B C H Q -> B H C Q")

    def drawn_prototypes(self) -> Float[Tensor, "S D"]:
        """Return the prototypes as they are now."""
        words = [] if self.language is None else [self.language.table.to(self.head.weight.dtype)]
        prototypes: Tensor = self.prototypes(*words)
        return prototypes

    def _read(self, said: Float[Tensor, "K N D"], target: Float[Tensor, "B L C"]) -> Float[Tensor, "K N D"]:
        """Let the language model read the patches behind what there is to tell of their windows, if there is one."""
        if self.language is None:
            return said
        if self.prompts is None:
            states: Tensor = self.language(said)
            return states
        series = rearrange(target, "B L C -> (B C) L")
        return read(self.language, said, self.prompts(series, self.language.tokenize))


def read(language: LanguageModel, said: Float[Tensor, "K N D"], prompts: Spoken) -> Float[Tensor, "K N D"]:
    """Let a language model read patches behind prompts, and return its states of the patches.

    Parameters
    ----------
    language
        The language model.
    said
        The patches, as tokens of the language model.
    prompts
        One for each row of patches, or one for all. What all of them begin with is read once.
    """
    n_rows, n_patches, _ = said.shape
    words = language.embed(prompts.ids).to(said.dtype).expand(n_rows, -1, -1)
    before = language.embed(prompts.opening).to(said.dtype) if len(prompts.opening) else None
    observed = None if prompts.observed is None else F.pad(prompts.observed, (0, n_patches), value=True)
    with _telling_apart(n_patches):
        return language(torch.cat([words, said], dim=1), observed, before)[:, -n_patches:]


def _shown(word: str) -> str:
    """Return a word as it can be printed."""
    return word.strip() if word.strip() and word.strip().isprintable() else repr(word)


@contextmanager
def _telling_apart(n_patches: int) -> Iterator[None]:
    """Record of the last tokens how they attend to each other, and what share of their attention the others have."""
    if not (is_recording("attention") or is_recording("prompt")):
        yield
        return
    with recording("attention") as found:
        yield
    for module, tensors in found["attention"]:
        weights = tensors["weights"][:, :, -n_patches:]
        among = weights[..., -n_patches:]
        share = among.sum(-1, keepdim=True)
        record("attention", module, weights=among / share.clamp_min(torch.finfo(share.dtype).tiny))
        record("prompt", module, share=1 - share.squeeze(-1))
