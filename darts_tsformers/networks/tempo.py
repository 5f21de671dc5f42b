"""TEMPO: trend, season and rest of a series, read by one language model, each behind a prompt of its own."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, cast

import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from darts_tsformers.checks import require_flag, require_not_negative, require_one_of, require_probability
from darts_tsformers.language import LanguageModel, language_model, width_of
from darts_tsformers.layers.decomposition.classical import ClassicalDecomposition
from darts_tsformers.layers.decomposition.learned import PARTS, LearnedDecomposition, Parts
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.selection.prompt_pool import Chosen, PromptPool
from darts_tsformers.layers.transformer.patching import Patching
from darts_tsformers.networks._lessons import Score, Training
from darts_tsformers.networks._network import Network
from darts_tsformers.recording import is_recording, record, recording
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, FutureResponse, zero_linear

PROMPTS = ("text", "pool", "none")
UP_TO = tuple(f"up_to_{part}" for part in PARTS)
TEXT = "Forecast the series from its {part}."


@dataclass(frozen=True)
class Said:
    """What the network makes of a window.

    Attributes
    ----------
    parts
        Trend, season and rest of the look-back.
    forecasts
        Of each part, in the order of :data:`PARTS`.
    known
        What the known future adds to them.
    chosen
        Prompts from the pool, of each part; empty without one.
    """

    parts: Parts
    forecasts: Float[Tensor, "K B H C Q"]
    known: Float[Tensor, "B H C Q"]
    chosen: Sequence[Chosen]


class TEMPO(Network, name="tempo"):
    r"""Trend, season and rest of the look-back, read in a row by a language model, and forecast by a head each.

    .. math:: \hat y = \sum_{k} \mathrm{head}_k\big(\mathrm{LM}([p_T; z_T; p_S; z_S; p_R; z_R])_k\big)

    Learned maps split the look-back (:class:`~darts_tsformers.layers.decomposition.learned.LearnedDecomposition`). Each
    part is cut into patches ``z``, the last value repeated at the end, and stands behind its prompt ``p``. All of them
    are one sequence for the language model; the states of its patches give the forecast of a part, and the parts add
    up. With ``period`` the maps are taught to find what a classical decomposition of the same look-back finds: nothing
    that comes after it is ever looked at.

    The components do not look at each other.

    Covariates, which the paper has no place for: past and historic future covariates are cut into the same patches and
    added to the tokens of each part; static covariates add to the tokens of their component; future covariates act
    through :class:`~darts_tsformers.window.covariates.FutureResponse`. All start at zero.

    Cost: one pass of the language model over ``3 (N + M)`` tokens for each component, with ``N = L / stride`` patches
    and ``M`` tokens of a prompt; and O(L^2) for the split.

    Parameters
    ----------
    prompt
        ``"text"``: a sentence that names the part, embedded by the language model and then mapped. ``"pool"``: some of
        a pool of learned prompts (:class:`~darts_tsformers.layers.selection.prompt_pool.PromptPool`). ``"none"``: as in
        the authors' code, the language model then reads each part alone, and its states of all parts once more.
    n_prompts, prompt_length, top_k
        Prompts of the pool, tokens of each, and how many of them a part gets.
    key_weight
        Share of the loss that draws the keys of chosen prompts to what chose them.
    head_reads_prompts
        Whether heads see the states of prompts too.
    patch_length
        Steps of a patch (``p``); at most the look-back. None for 16, or the whole look-back where that is less.
    stride
        Steps between the starts of two patches (``s``).
    kernel_size
        Steps of the moving average that the trend is made from.
    period
        Steps of the season that the split is taught, at most half of the look-back. None to teach it nothing.
    decomposition_weight
        Share of the loss that the split is taught by.
    dropout
        On what the heads read.
    faithful
        Whether a pool sums up a part as the authors' code does, which mixes up patches and features.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Cao et al., "TEMPO: Prompt-based Generative Pre-trained Transformer for Time Series Forecasting", ICLR 2024 (arXiv
    2310.04948). Written from the paper and from facts about the code (DC-research/TEMPO, cd56d75), whose figures the
    tests hold it to. Its ``gpt_layers`` is ``n_backbone_layers``, its ``use_token`` ``head_reads_prompts``, its
    ``stl_weight`` ``decomposition_weight``.

    Deviations: the authors teach the split by an STL decomposition of the whole column, which looks at what is to be
    forecast, and in their scripts never add that to the loss; here the look-back alone is decomposed, by averages, and
    its parts are not standardised one by one, so that they add up as the learned ones do. Where a value was not
    observed, nothing is taught. Keys of the pool are learned, as in "Learning to Prompt" (CVPR 2022), where theirs stay
    as they were drawn; the weights that sum up a part stay so in both. Theirs has no dropout but that of the language
    model and of its adapters, which train in training mode; here these compute without. Sentences are our own.

    Without a language model (``backbone="none"``) there are no prompts, and tokens go straight to the heads.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import TEMPO
    >>> sizes = Sizes(input_length=48, output_length=6)
    >>> small = {"d_model": 16, "n_layers": 1, "n_heads": 2}
    >>> network = TEMPO(sizes, backbone="random", backbone_sizes=small, period=12)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # any number of components
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS
    width_tie = None

    def __init__(
        self,
        sizes: Sizes,
        *,
        prompt: str = "text",
        n_prompts: int = 30,
        prompt_length: int = 3,
        top_k: int = 3,
        key_weight: float = 0.1,
        head_reads_prompts: bool = False,
        patch_length: int | None = None,
        stride: int = 8,
        kernel_size: int = 25,
        period: int | None = None,
        decomposition_weight: float = 0.01,
        dropout: float = 0.1,
        faithful: bool = False,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: Mapping[str, Any] | None = None,
        n_backbone_layers: int | None = None,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
    ) -> None:
        super().__init__(sizes)
        require_one_of(PROMPTS, prompt=prompt)
        require_not_negative(key_weight=key_weight, decomposition_weight=decomposition_weight)
        require_flag(head_reads_prompts=head_reads_prompts)
        require_probability(dropout=dropout)
        self.key_weight = key_weight
        self.decomposition_weight = decomposition_weight
        self.head_reads_prompts = head_reads_prompts
        self.decomposition = LearnedDecomposition(sizes.input_length, kernel_size)
        self.taught_by = None if period is None else ClassicalDecomposition(sizes.input_length, period)
        patch_length = min(16, sizes.input_length) if patch_length is None else patch_length
        self.patching = Patching(sizes.input_length, patch_length, stride)
        self.language = language_model(
            backbone,
            hub_model_revision=hub_model_revision,
            architecture=architecture,
            backbone_sizes=backbone_sizes,
            n_backbone_layers=n_backbone_layers,
            lora_rank=lora_rank,
            backbone_precision=backbone_precision,
        )
        d_model = width_of(self.language, backbone_sizes)
        n = self.patching.n_patches
        pool = PromptPool(n, d_model, n_prompts=n_prompts, prompt_length=prompt_length, top_k=top_k, faithful=faithful)
        self.pool = pool if prompt == "pool" and self.language is not None else None
        self.texts = TextPrompts(self.language) if prompt == "text" and self.language is not None else None
        lengths = [0 if self.pool is None else pool.n_tokens] * len(PARTS) if self.texts is None else self.texts.lengths
        n_read = [n + n_prompt if head_reads_prompts else n for n_prompt in lengths]
        self.pieces = nn.ModuleList(Piece(sizes, patch_length, d_model, each, dropout) for each in n_read)
        self.future = FutureResponse(d_model, sizes.n_future, sizes.n_parameters) if sizes.n_future else None

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: patches, component by component."""
        axis = self.patching.axis()
        found = dict.fromkeys(self.attention_layers(), Layout((axis, axis), per_component=True))
        return found | {"pool": Layout((), per_component=True)} if self.pool is not None else found

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers of the language model."""
        return [] if self.language is None else [f"language.{path}" for path in self.language.attention_layers()]

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast. What each part adds can be recorded, and which prompts were chosen."""
        said = self.read(window)
        sums = list(accumulate(said.forecasts, initial=said.known))
        record("stages", self, level=sums[0], **dict(zip(UP_TO, sums[1:], strict=True)))
        record("trend", self, trend=sums[1])
        return sums[-1]

    def learn(self, window: Window) -> Training:
        """Forecast, and be taught the split of the look-back and the keys of the pool."""
        said = self.read(window)
        penalties = {}
        if said.chosen:
            likeness = torch.stack([chosen.likeness for chosen in said.chosen])
            penalties["keys"] = self.key_weight * (1 - likeness).mean()
        scores = [] if self.taught_by is None else [self._score_of_parts(said.parts, window)]
        return Training(said.known + said.forecasts.sum(dim=0), penalties=penalties, scores=scores)

    def read(self, window: Window) -> Said:
        """Split a window, read the parts and forecast each."""
        parts = self.decomposition(rearrange(window.target, "B L C -> B C L"))
        known = self._known(window)
        pieces = cast(Sequence[Piece], self.pieces)
        tokens = [piece.embed(self.patching(part), known, window) for piece, part in zip(pieces, parts, strict=True)]
        prompts, chosen = self._prompts(tokens)
        states = tokens if self.language is None else self._states(self.language, prompts, tokens)
        n = window.target.shape[2]
        forecasts = [piece.forecast(read, n) for piece, read in zip(pieces, states, strict=True)]
        return Said(parts, torch.stack(forecasts), self._response(window, states), chosen)

    def _score_of_parts(self, parts: Parts, window: Window) -> Score:
        """Return the square of what the split lacks, summed over the parts; it counts where something was observed."""
        assert self.taught_by is not None
        target = rearrange(window.target, "B L C -> B C L")
        errors = [(one - other).square() for one, other in zip(parts, self.taught_by(target), strict=True)]
        cost = rearrange(torch.stack(errors).sum(dim=0), "B C L -> B L C")
        observed = torch.ones_like(cost, dtype=torch.bool) if window.missing is None else ~window.missing
        cost, counts = (F.pad(one, (0, 0, 0, self.sizes.output_length)) for one in (cost, observed))
        return Score("decomposition", cost, counts, weight=self.decomposition_weight)

    def _known(self, window: Window) -> Float[Tensor, "B 1 N K"] | None:
        """Return the patches of covariates over the look-back."""
        given = [x for x in (window.past, window.historic_future) if x is not None]
        if not given:
            return None
        patches = self.patching(rearrange(torch.cat(given, dim=-1), "B L K -> B K L"))
        return rearrange(patches, "B K N p -> B 1 N (K p)")

    def _prompts(self, tokens: Sequence[Float[Tensor, "R N D"]]) -> tuple[list[Float[Tensor, "R _ D"]], list[Chosen]]:
        """Return the prompts of each part, and what was chosen from a pool."""
        if self.pool is not None:
            chosen = [self.pool(one) for one in tokens]
            if is_recording("prompts"):
                shares = torch.stack([self.pool.shares(one) for one in chosen], dim=1)
                record("prompts", self.pool, weights=shares)
            return [one.tokens for one in chosen], chosen
        if self.texts is not None and self.language is not None:
            return [text.expand(tokens[0].shape[0], -1, -1) for text in self.texts(self.language)], []
        return [one[:, :0] for one in tokens], []

    def _states(
        self, language: LanguageModel, prompts: Sequence[Float[Tensor, "R _ D"]], tokens: Sequence[Tensor]
    ) -> list[Float[Tensor, "R _ D"]]:
        """Read all parts as one sequence."""
        if self.pool is None and self.texts is None:
            with recording() if is_recording() else nullcontext():  # what it looks at alone is not shown
                tokens = language(torch.cat(list(tokens))).chunk(len(tokens))
        sequence = torch.cat([x for pair in zip(prompts, tokens, strict=True) for x in pair], dim=1)
        lengths = [prompt.shape[1] + self.patching.n_patches for prompt in prompts]
        states = torch.split(self._recorded(language, sequence, lengths), lengths, dim=1)
        if self.head_reads_prompts:
            return list(states)
        return [one[:, -self.patching.n_patches :] for one in states]

    def _recorded(
        self, language: LanguageModel, sequence: Float[Tensor, "R S D"], lengths: Sequence[int]
    ) -> Float[Tensor, "R S D"]:
        """Apply the language model, and record which patches its patches attend to, whatever part they are of."""
        if not is_recording("attention"):
            states: Tensor = language(sequence)
            return states
        with recording("attention") as inner:
            states = language(sequence)
        n = self.patching.n_patches
        at = torch.cat([torch.arange(end - n, end) for end in accumulate(lengths)]).to(sequence.device)
        for entry in inner["attention"]:
            among = entry.tensors["weights"][:, :, at[:, None], at]
            seen = reduce(among, "R h q (k m) -> R h q m", "sum", m=n)
            shares = seen / seen.sum(dim=-1, keepdim=True)
            record("attention", entry.module, weights=reduce(shares, "R h (k n) m -> R h n m", "mean", n=n))
        return states

    def _response(self, window: Window, states: Sequence[Float[Tensor, "R _ D"]]) -> Float[Tensor, "B H C Q"]:
        """Return what the known future adds to the forecast."""
        batch, _, n = window.target.shape
        if self.future is None or window.future is None:
            return window.target.new_zeros(batch, self.sizes.output_length, n, self.sizes.n_parameters)
        state = rearrange(torch.cat(list(states), dim=1).mean(dim=1), "(B C) D -> B C D", C=n)
        return rearrange(self.future(window.future, state), "B C H Q -> B H C Q")


class TextPrompts(nn.Module):
    """A sentence for each part, embedded by a language model, and mapped by one linear map a part."""

    def __init__(self, language: LanguageModel) -> None:
        super().__init__()
        ids = language.tokenize([TEXT.format(part=part) for part in PARTS])
        self.lengths = [len(one) for one in ids]
        self.register_buffer("ids", torch.tensor([i for one in ids for i in one]), persistent=False)
        self.maps = nn.ModuleList(nn.Linear(language.d_model, language.d_model) for _ in PARTS)

    ids: Int[Tensor, " M"]

    def forward(self, language: LanguageModel) -> list[Float[Tensor, "_ D"]]:
        """Return the prompt of each part."""
        words = torch.split(language.embed(self.ids), self.lengths)
        dtype = next(self.maps.parameters()).dtype
        return [linear(one.to(dtype)) for linear, one in zip(self.maps, words, strict=True)]


class Piece(nn.Module):
    """What one part of a series has of its own: from its patches to tokens, and from their states to its forecast."""

    def __init__(self, sizes: Sizes, patch_length: int, d_model: int, n_read: int, dropout: float) -> None:
        super().__init__()
        self.sizes = sizes
        self.embedding = nn.Linear(patch_length, d_model)
        n_known = sizes.n_past + sizes.n_future
        self.covariates = zero_linear(n_known * patch_length, d_model) if n_known else None
        self.static = zero_linear(sizes.n_static, d_model) if sizes.n_static else None
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(n_read * d_model, sizes.output_length * sizes.n_parameters)

    def embed(
        self, patches: Float[Tensor, "B C N p"], known: Float[Tensor, "B 1 N K"] | None, window: Window
    ) -> Float[Tensor, "R N D"]:
        """Return the tokens of each component, ``R = B C``."""
        tokens = self.embedding(patches)
        if self.covariates is not None and known is not None:
            tokens = tokens + self.covariates(known)
        if self.static is not None and window.static is not None:
            tokens = tokens + rearrange(self.static(window.static), "B V D -> B V 1 D")
        return tokens.flatten(0, 1)

    def forecast(self, states: Float[Tensor, "R _ D"], n_targets: int) -> Float[Tensor, "B H C Q"]:
        """Forecast each component."""
        out = self.head(self.dropout(states.flatten(1)))
        return rearrange(out, "(B C) (H Q) -> B H C Q", C=n_targets, Q=self.sizes.n_parameters)
