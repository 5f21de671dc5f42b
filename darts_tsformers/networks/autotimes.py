"""AutoTimes: a language model that reads segments of a series for words, and forecasts the next one from each."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_one_of, require_probability
from darts_tsformers.language import language_model, width_of
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.transformer.feed_forward import ACTIVATIONS
from darts_tsformers.networks._network import Feed, Network, first_parameter
from darts_tsformers.networks._patch_by_patch import PatchByPatch, Patched
from darts_tsformers.recording import is_recording, record, recording
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, zero_linear

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {**ACTIVATIONS, "tanh": nn.Tanh}
_MARKS = ("mapped", "given")


class AutoTimes(PatchByPatch, Network, name="autotimes"):
    r"""Autoregressive forecasting of segments by a language model that is not trained.

    .. math:: \hat s_{j+1} = g\bigl(\mathrm{LM}(e_1, \dots, e_j)_j\bigr), \qquad e_j = f(s_j)

    The look-back is cut into segments, from its end. A small network ``f`` makes a token of each, the language model
    reads the tokens in the place of words, and ``g``, the mirror of ``f``, maps its state after each to the next
    segment. A horizon is put together of segments: what was forecast is read on as the newest one, and the oldest one
    is forgotten. Each pass sees its segments at their own level and spread.

    Only ``f`` and ``g`` are trained. It learns from every segment; beyond the first one of the horizon it learns the
    newest one of each pass, from what was really there.

    The components do not look at each other. What comes before the history of a series begins is left out, but for
    the rest of its first segment, which is level.

    Future covariates are what is known of segments. Those of the segment to forecast are mapped to the width of a token
    and added to it; that map is zero at the start. Or they are time stamps as the paper has them (``marks="given"``):

    .. math:: e_j = \frac{f(s_j)}{\lVert f(s_j) \rVert} + a \frac{m_j}{\lVert m_j \rVert}

    with a vector ``m_j`` for the segment that begins at a step, and a learned ``a``, which is 1 at the start. Past and
    static covariates, which the paper has no place for: what
    :class:`~darts_tsformers.window.covariates.CovariateHead` says is added to the horizon before it is read on. It is
    zero at the start.

    Without a language model a token goes straight to ``g``: each segment forecasts the next by itself.

    Cost: that of the language model on N = L / patch_length tokens, for each component and each of H / patch_length
    passes.

    Parameters
    ----------
    patch_length
        Steps of a segment.
    n_hidden_layers
        Hidden layers of ``f`` and of ``g``; 0 for linear maps.
    d_hidden
        Their width.
    dropout
        In the hidden layers.
    activation
        Of the hidden layers: ``"tanh"``, ``"gelu"``, ``"relu"``, ``"elu"``, ``"silu"`` or ``"squared_relu"``.
    marks
        What future covariates are: ``"mapped"`` for numbers of each step; ``"given"`` for vectors as wide as a token of
        the language model, of which a segment takes the one at its first step.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule, or given marks have another width; the message names it.

    Notes
    -----
    Liu et al., "AutoTimes: Autoregressive Time Series Forecasters via Large Language Models", NeurIPS 2024 (arXiv
    2402.02370). Written from the paper and from facts about the code (thuml/AutoTimes, 9ff9aac), whose figures the
    tests hold it to. Its ``token_len`` is ``patch_length``; its ``mlp_hidden_layers`` is 0 for linear maps, else
    ``n_hidden_layers + 1``; its ``mix_embeds`` is ``marks="given"``.

    Deviations: a look-back need not be whole segments; the language model computes without dropout, where the authors'
    stays in training mode; horizons of several segments are learnt at once, where the authors learn one segment ahead;
    the variance of a pass is detached; given marks serve any number of components, and are standardised like any
    covariate. As in the paper, level and spread are those of all segments, so that while it learns a segment gives away
    a little of itself to those before it.

    Parameters of a likelihood that are no level keep the unit of the first pass.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import AutoTimes
    >>> tiny = {"d_model": 16, "n_layers": 1, "n_heads": 2}
    >>> network = AutoTimes(Sizes(48, 20), patch_length=12, backbone="random", backbone_sizes=tiny).eval()
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # a segment of 12 steps, and 8 of another
    torch.Size([2, 20, 3, 1])
    """

    reads = ALL_KINDS
    knows_start = True
    width_tie = None

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int = 96,
        n_hidden_layers: int = 1,
        d_hidden: int = 256,
        dropout: float = 0.1,
        activation: str = "tanh",
        marks: str = "mapped",
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: Mapping[str, Any] | None = None,
        n_backbone_layers: int | None = None,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, patch_length=patch_length, d_hidden=d_hidden)
        require_at_least(0, n_hidden_layers=n_hidden_layers)
        require_probability(dropout=dropout)
        require_one_of(_ACTIVATIONS, activation=activation)
        require_one_of(_MARKS, marks=marks)
        self.language = language_model(
            backbone,
            hub_model_revision=hub_model_revision,
            architecture=architecture,
            backbone_sizes=backbone_sizes,
            n_backbone_layers=n_backbone_layers,
            lora_rank=lora_rank,
            backbone_precision=backbone_precision,
        )
        if self.language is not None and self.language.looks_ahead:
            raise ValueError(f"backbone={self.language.name!r} must be a decoder: it would see what it is to say")
        d_model = width_of(self.language, backbone_sizes)
        hidden = [d_hidden] * n_hidden_layers
        self.encoder = _mapped([patch_length, *hidden, d_model], dropout, activation)
        self.decoder = _mapped([d_model, *hidden, patch_length * sizes.n_parameters], dropout, activation)
        self.marks, self.mark_scale = None, None
        if sizes.n_future and marks == "mapped":
            self.marks = zero_linear(patch_length * sizes.n_future, d_model)
        elif sizes.n_future:
            if sizes.n_future != d_model:
                raise ValueError(
                    f"marks='given' needs future covariates of as many components as a token of the language model "
                    f"has, {d_model}, not {sizes.n_future}"
                )
            self.mark_scale = nn.Parameter(torch.ones(()))
        self._build_passes(patch_length, ALL_KINDS - {"future"})

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers of the language model."""
        return [] if self.language is None else [f"language.{path}" for path in self.language.attention_layers()]

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: the segments that are read, of the look-back and of the horizon."""
        return dict.fromkeys(self.attention_layers(), self._layout())

    def forward(self, window: Window, feed: Feed = first_parameter) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        return self._rolled_out(window, feed)[-1]

    def _raw_ahead(self, values: Float[Tensor, "B T C"], patches: Patched, n_read: int) -> Float[Tensor, "1 B T C Q"]:
        segments = rearrange(values, "B (N p) C -> B C N p", p=self.patch_length)
        states = self._read(self._marked(self.encoder(segments), patches), patches, n_read)
        return rearrange(self.decoder(states), "B C N (p Q) -> 1 B (N p) C Q", p=self.patch_length)

    def _marked(self, tokens: Float[Tensor, "B C N D"], patches: Patched) -> Float[Tensor, "B C N D"]:
        """Tell each token what is known: of the next segment, or by a vector of its own."""
        known, p, length = patches.covariates, self.patch_length, patches.values.shape[1]
        if known is not None and self.marks is not None:
            following = rearrange(known[:, p : length + p], "B (N p) F -> B 1 N (p F)", p=p)
            return tokens + self.marks(following)
        if known is not None and self.mark_scale is not None:
            given = F.normalize(known[:, None, :length:p], dim=-1)
            return F.normalize(tokens, dim=-1) + self.mark_scale * given
        return tokens

    def _read(self, tokens: Float[Tensor, "B C N D"], patches: Patched, n_read: int) -> Float[Tensor, "B C N D"]:
        """Let the language model read the segments of each component, and put its attention where they are."""
        if self.language is None:
            return tokens
        batch, n_targets, n = tokens.shape[:3]
        observed = None
        if patches.start is not None:
            ends = self.patch_length * torch.arange(1, n + 1, device=tokens.device)
            observed = (ends > patches.start[:, None]).repeat_interleave(n_targets, dim=0)
        if not is_recording("attention"):
            states = self.language(tokens.flatten(0, 1), observed)
            return states.unflatten(0, (batch, n_targets))
        with recording("attention") as inner:
            states = self.language(tokens.flatten(0, 1), observed)
        for entry in inner["attention"]:
            weights = entry.tensors["weights"][:, :, -1 if n_read else 0 :]
            record("attention", entry.module, weights=F.pad(weights, (n_read, 0)))
        return states.unflatten(0, (batch, n_targets))

    def _covariates_of_patches(self, window: Window) -> Float[Tensor, "B M F"] | None:
        """Return future covariates from the first step of the first segment to the end of the last one to forecast."""
        if window.historic_future is None or window.future is None:
            return None
        shift, horizon = self.sizes.output_shift, self.sizes.output_length
        past = F.pad(window.historic_future, (0, 0, self._n_lacking, shift))
        ahead = F.pad(window.future, (0, 0, 0, self.n_passes * self.patch_length - shift - horizon))
        return torch.cat([past, ahead], dim=1)


def _mapped(widths: list[int], dropout: float, activation: str) -> nn.Sequential:
    """Build linear maps from width to width, with an activation and dropout between them."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), _ACTIVATIONS[activation](), Dropout(dropout)]
    return nn.Sequential(*layers[:-2])
