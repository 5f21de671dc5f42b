"""A language model as a part of a network: asked by embeddings, it answers with hidden states."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from darts_tsformers.language.adapters import is_trained, with_adapters
from darts_tsformers.language.frozen import Frozen
from darts_tsformers.language.tokenizer import Remembering, Tokenizer
from darts_tsformers.recording import is_recording, record


class LanguageModel(nn.Module):
    """A transformer of language that reads what is in the place of its words' embeddings.

    It is in evaluation and without gradients, but for adapters and for weights that are set to require them.

    Parameters
    ----------
    backbone
        A model of ``transformers``, without a head.
    name
        What error messages call it.
    tokenizer
        Makes its tokeniser, when that is first asked for.
    is_published
        Whether the weights can be had elsewhere: then a state dict holds a digest of them
        (:class:`~darts_tsformers.language.Frozen`).
    lora_rank
        Rank of adapters beside the maps of attention, which are trained and saved; None for none.

    Attributes
    ----------
    d_model
        Width of a token (``D``), going in and coming out.

    Raises
    ------
    ValueError
        If it is no model of this kind: one with a decoder of its own, or whose states are not as wide as its tokens;
        or if it cannot have adapters.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.language import language_model
    >>> model = language_model("random", backbone_sizes={"d_model": 8, "n_layers": 1, "n_heads": 2})
    >>> ids = torch.tensor(model.tokenize(["up and down"]))
    >>> model(model.embed(ids)).shape
    torch.Size([1, 11, 8])
    """

    def __init__(
        self,
        backbone: Any,
        name: str,
        tokenizer: Callable[[], Tokenizer],
        *,
        is_published: bool,
        lora_rank: int | None = None,
    ) -> None:
        super().__init__()
        config = backbone.config
        self.name = name
        self.d_model: int = backbone.get_input_embeddings().embedding_dim
        width_out = getattr(config, "word_embed_proj_dim", config.hidden_size)
        if config.is_encoder_decoder or width_out != self.d_model:
            raise ValueError(
                f"backbone={name!r} must be an encoder or a decoder with states as wide as its tokens; it is "
                f"{config.model_type!r}"
            )
        self.n_positions: int | None = getattr(config, "max_position_embeddings", None)
        self.is_published = is_published
        self.backbone = Frozen(backbone, name) if is_published else backbone.requires_grad_(False)
        if lora_rank is not None:
            with_adapters(backbone, lora_rank)
        self._make_tokenizer = tokenizer
        self._tokenizer: Remembering | None = None
        self.eval()

    @property
    def transformer(self) -> Any:
        """The model of ``transformers``."""
        return self.backbone.backbone if isinstance(self.backbone, Frozen) else self.backbone

    @property
    def table(self) -> Float[Tensor, "V D"]:
        """The embeddings of all words."""
        table: Tensor = self.transformer.get_input_embeddings().weight
        return table

    @property
    def looks_ahead(self) -> bool:
        """Whether a state depends on the tokens after it, as in an encoder."""
        return any(getattr(part, "is_causal", None) is False for part in self.transformer.modules())

    def embed(self, ids: Int[Tensor, "... N"]) -> Float[Tensor, "... N D"]:
        """Return the embeddings of words, without positions."""
        tokens: Tensor = self.transformer.get_input_embeddings()(ids)
        return tokens

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of the words of each text; each distinct text is taken apart once."""
        return self._words().encode(texts)

    def words(self, ids: Iterable[int]) -> list[str]:
        """Return the words that numbers stand for."""
        return self._words().words(ids)

    def _words(self) -> Remembering:
        if self._tokenizer is None:
            self._tokenizer = Remembering(self._make_tokenizer())
        return self._tokenizer

    def train(self, mode: bool = True) -> "LanguageModel":
        """Stay in evaluation, without dropout, while nothing of it is trained."""
        return super().train(mode and is_trained(self.transformer))

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers whose attention is recorded, in order."""
        modules = {module: name for name, module in self.named_modules()}
        return [modules[layer] for layer in self._layers()]

    def _layers(self) -> list[nn.Module]:
        n = self.transformer.config.num_hidden_layers
        lists = (part for part in self.transformer.modules() if isinstance(part, nn.ModuleList) and len(part) == n)
        return list(next(lists))

    def forward(self, tokens: Float[Tensor, "B N D"], observed: Bool[Tensor, "B N"] | None = None) -> Tensor:
        """Return the last hidden states, ``(B, N, D)``, after the final norm.

        Positions are the model's own, and count the observed tokens. It looks back only if it is a decoder.

        Parameters
        ----------
        tokens
            What it reads.
        observed
            Which tokens are there; None for all. The others are not looked at, and their states are zero.

        Raises
        ------
        ValueError
            If it has fewer positions than tokens.
        """
        if self.n_positions is not None and tokens.shape[1] > self.n_positions:
            raise ValueError(f"backbone={self.name!r} reads {self.n_positions} tokens at most, not {tokens.shape[1]}")
        if observed is None:
            return self._states(tokens, None, None)
        back, order = _observed_first(observed)
        there = observed.gather(1, order)
        moved = tokens.gather(1, order[..., None].expand_as(tokens)).masked_fill(~there[..., None], 0)
        states = self._states(moved, there, back).masked_fill(~there[..., None], 0)
        return states.gather(1, back[..., None].expand_as(states))

    def _states(self, tokens: Tensor, observed: Tensor | None, back: Tensor | None) -> Tensor:
        """Apply the transformer, and record its attention with the tokens at the places ``back``."""
        given = tokens.to(self.table.dtype)
        mask = None if observed is None else observed.to(torch.int64)
        wanted = is_recording("attention")
        with _showing_weights(self.transformer, wanted):
            options: dict[str, Any] = {"output_attentions": True} if wanted else {}
            if hasattr(self.transformer.config, "use_cache"):
                options["use_cache"] = False
            out = self.backbone(inputs_embeds=given, attention_mask=mask, **options)
        for layer, weights in zip(self._layers(), out.attentions, strict=True) if wanted else ():
            record("attention", layer, weights=weights if back is None else _moved(weights, back))
        states: Tensor = out.last_hidden_state
        return states.to(tokens.dtype)


@contextmanager
def _showing_weights(transformer: Any, wanted: bool) -> Iterator[None]:
    """Let attention form its weights, if they are wanted, as only its plain form does."""
    usual = transformer.config._attn_implementation
    if not wanted or usual == "eager":
        yield
        return
    transformer.set_attn_implementation("eager")
    try:
        yield
    finally:
        transformer.set_attn_implementation(usual)


def _observed_first(observed: Bool[Tensor, "B N"]) -> tuple[Int[Tensor, "B N"], Int[Tensor, "B N"]]:
    """Return where each token goes when those that are there move to the front, and which token is then at each place.

    Without sorting, for which ONNX has no stable operator.
    """
    there = observed.to(torch.int64)
    goes_to = torch.where(observed, there.cumsum(1), there.sum(1, keepdim=True) + (1 - there).cumsum(1)) - 1
    places = torch.arange(observed.shape[1], device=observed.device).expand_as(goes_to)
    return goes_to, torch.zeros_like(goes_to).scatter(1, goes_to, places)


def _moved(weights: Float[Tensor, "B h N M"], back: Int[Tensor, "B N"]) -> Float[Tensor, "B h N M"]:
    """Put queries and keys at their places."""
    rows = weights.gather(2, back[:, None, :, None].expand_as(weights))
    return rows.gather(3, back[:, None, None, :].expand_as(rows))
