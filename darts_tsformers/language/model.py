"""A language model as a part of a network: it reads embeddings and returns hidden states."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from darts_tsformers.execution.tracing import is_traced
from darts_tsformers.language.adapters import is_trained, with_adapters
from darts_tsformers.language.frozen import Frozen
from darts_tsformers.language.tokenizer import Remembering, Tokenizer
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.recording import is_recording, record

PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""Types of number that take half the memory, by name."""

_NOTES = {"_name_or_path", "architectures", "dtype", "task_specific_params", "transformers_version", "use_cache"}
"""Entries of a configuration that no output depends on."""


class LanguageModel(nn.Module, Recomputing):
    """A language model that reads other tokens in place of the embeddings of words.

    It is in evaluation mode and its weights are not trained, except adapters and weights that are set to require
    gradients.

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
    precision
        Name of the type of number in which it is kept and computes, one of :data:`PRECISIONS`; None for that of the
        network around it. Nothing of it can be trained then.

    Attributes
    ----------
    d_model
        Width of a token (``D``), going in and coming out.

    Raises
    ------
    ValueError
        If it is not an encoder or a decoder of words whose states are as wide as its tokens, or cannot have adapters.

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
        precision: str | None = None,
    ) -> None:
        super().__init__()
        if precision is not None and lora_rank is not None:
            raise ValueError(f"backbone_precision={precision!r} must be None with lora_rank={lora_rank!r}")
        config = backbone.config
        self.name = name
        table = backbone.get_input_embeddings()
        width_out = getattr(config, "word_embed_proj_dim", config.hidden_size)
        if config.is_encoder_decoder or not isinstance(table, nn.Embedding) or width_out != table.embedding_dim:
            raise ValueError(
                f"backbone={name!r} must be an encoder or a decoder of words, with states as wide as its tokens; it is "
                f"{config.model_type!r}"
            )
        self.d_model: int = table.embedding_dim
        self.n_positions = _n_positions(backbone)
        self.is_published = is_published
        self.backbone = Frozen(backbone, name, _settings(config)) if is_published else backbone.requires_grad_(False)
        if lora_rank is not None:
            with_adapters(backbone, lora_rank)
        self.precision = precision
        self._keep_precision()
        self._make_tokenizer = tokenizer
        self._tokenizer: Remembering | None = None
        self.eval()

    @property
    def transformer(self) -> Any:
        """The model of ``transformers``."""
        return self.backbone.backbone if isinstance(self.backbone, Frozen) else self.backbone

    @property
    def table(self) -> Float[Tensor, "V D"]:
        """The embeddings of all words, in the precision of the language model."""
        table: Tensor = self.transformer.get_input_embeddings().weight
        return table

    def _apply(self, *args: Any, **kwargs: Any) -> "LanguageModel":
        """Move with the network around it, but keep a precision of its own."""
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._keep_precision()
        return self

    def _keep_precision(self) -> None:
        if self.precision is not None:
            self.transformer.to(PRECISIONS[self.precision])

    @cached_property
    def looks_ahead(self) -> bool:
        """Whether a state depends on the tokens after it, as in an encoder; found by trying. False without values."""
        if self.table.is_meta:
            return False
        with torch.inference_mode(False), torch.enable_grad():
            tokens = self.table[:1].detach().repeat(1, 2, 1).requires_grad_()
            (moved_by,) = torch.autograd.grad(self._states(tokens)[0, 0, 0], tokens)
        return bool(moved_by[0, 1].any())

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
        """Stay in evaluation, without dropout, while nothing of it is trained.

        Raises
        ------
        ValueError
            If weights are to be trained that are kept in less precision.
        """
        trains = mode and is_trained(self.transformer)
        if trains and self.precision is not None:
            raise ValueError(f"backbone_precision={self.precision!r} must be None to train weights of the backbone")
        return super().train(trains)

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers whose attention is recorded, in order."""
        modules = {module: name for name, module in self.named_modules()}
        return [modules[layer] for layer in self._layers()]

    def _layers(self) -> list[nn.Module]:
        n = self.transformer.config.num_hidden_layers
        lists = (part for part in self.transformer.modules() if isinstance(part, nn.ModuleList) and len(part) == n)
        return list(next(lists))

    def forward(
        self,
        tokens: Float[Tensor, "B N D"],
        observed: Bool[Tensor, "B N"] | None = None,
        before: Float[Tensor, "M D"] | None = None,
    ) -> Float[Tensor, "B N D"]:
        """Return the last hidden states, after the final norm.

        Positions are the model's own, and count the observed tokens. A decoder looks back only.

        Parameters
        ----------
        tokens
            What it reads.
        observed
            Which tokens are there; None for all. The others are not looked at, and their states are zero.
        before
            Tokens that all sequences begin with. A decoder reads them once for all of them.

        Raises
        ------
        ValueError
            If it has fewer positions than tokens.
        """
        if before is not None and not self._reads_once():
            return self._read_each(tokens, observed, before)
        n_tokens = tokens.shape[1] + (0 if before is None else len(before))
        if self.n_positions is not None and n_tokens > self.n_positions:
            raise ValueError(f"backbone={self.name!r} reads {self.n_positions} tokens at most, not {n_tokens}")
        if observed is None:
            return self._states(tokens, before=before)
        back, order = _observed_first(observed)
        there = observed.gather(1, order)
        moved = tokens.gather(1, order[..., None].expand_as(tokens)).masked_fill(~there[..., None], 0)
        states = self._states(moved, there, back, before).masked_fill(~there[..., None], 0)
        return states.gather(1, back[..., None].expand_as(states))

    def _reads_once(self) -> bool:
        """Whether what it made of the first tokens can be kept for others to follow, and nobody looks at it.

        A layer that is computed anew would add to what was kept once more.
        """
        if is_traced() or (self.recompute and torch.is_grad_enabled()) or is_recording("attention") or self.looks_ahead:
            return False
        return "past_key_values" in inspect.signature(self.transformer.forward).parameters

    def _read_each(
        self, tokens: Float[Tensor, "B N D"], observed: Bool[Tensor, "B N"] | None, before: Float[Tensor, "M D"]
    ) -> Float[Tensor, "B N D"]:
        """Read what all sequences begin with anew in each."""
        whole = torch.cat([before.to(tokens.dtype).expand(tokens.shape[0], -1, -1), tokens], dim=1)
        observed = None if observed is None else F.pad(observed, (len(before), 0), value=True)
        states: Tensor = self(whole, observed)[:, len(before) :]
        return states

    def _states(
        self,
        tokens: Float[Tensor, "B N D"],
        observed: Bool[Tensor, "B N"] | None = None,
        back: Int[Tensor, "B N"] | None = None,
        before: Float[Tensor, "M D"] | None = None,
    ) -> Float[Tensor, "B N D"]:
        """Apply the transformer, and record its attention with the tokens at the places ``back``."""
        wanted = is_recording("attention")
        options: dict[str, Any] = {"output_attentions": True} if wanted else {}
        if observed is not None:
            options["attention_mask"] = F.pad(observed, (0 if before is None else len(before), 0), value=True).long()
        if hasattr(self.transformer.config, "use_cache"):
            options["use_cache"] = False
        if before is not None:
            options["past_key_values"] = self._kept(before, tokens.shape[0])
        with _showing_weights(self.transformer, wanted), self._keeping_less():
            out = self.backbone(inputs_embeds=tokens.to(self.table.dtype), **options)
        for layer, weights in zip(self._layers(), out.attentions, strict=True) if wanted else ():
            record("attention", layer, weights=weights if back is None else _moved(weights, back))
        states: Tensor = out.last_hidden_state
        return states.to(tokens.dtype)

    @contextmanager
    def _keeping_less(self) -> Iterator[None]:
        """Let each layer keep what it reads alone for the backward pass, if that is wanted."""
        layers: list[Any] = self._layers() if self.recompute else []
        for layer in layers:
            layer.forward = partial(self.run, layer.forward)
        try:
            yield
        finally:
            for layer in layers:
                del layer.forward

    def _kept(self, before: Float[Tensor, "M D"], n: int) -> Any:
        """Return the keys and values of what ``n`` sequences begin with."""
        kept = self.backbone(inputs_embeds=before[None].to(self.table.dtype), use_cache=True).past_key_values
        kept.batch_repeat_interleave(n)
        return kept


def _n_positions(backbone: Any) -> int | None:
    """Return how many tokens it has positions for, None for any number; RoBERTa counts from that of its padding on."""
    n: int | None = getattr(backbone.config, "max_position_embeddings", None)
    tables = (part for name, part in backbone.named_modules() if name.endswith("position_embeddings"))
    paddings = [table.padding_idx for table in tables if getattr(table, "padding_idx", None) is not None]
    return n if n is None or not paddings else n - paddings[0] - 1


def _settings(config: Any) -> str:
    """Return what a configuration sets, without defaults: a later version of ``transformers`` may add some."""
    usual = type(config)().to_dict()
    own = {name: value for name, value in config.to_dict().items() if value != usual.get(name)}
    return json.dumps({name: own[name] for name in own.keys() - _NOTES}, sort_keys=True, default=str)


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
