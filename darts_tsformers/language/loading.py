"""Language models by name: from a folder, from the Hugging Face hub, untrained, or none."""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.language.model import PRECISIONS, LanguageModel
from darts_tsformers.language.tokenizer import END, Bytes, Published

SIZES = {"d_model": 768, "n_layers": 12, "n_heads": 12, "d_ff": 3072}
"""Of an untrained language model: those of the smallest GPT-2."""
_SEED = 0
_INNER_WIDTHS = ("intermediate_size", "n_inner", "ffn_dim")


def language_model(
    backbone: str,
    *,
    hub_model_revision: str | None = None,
    architecture: str = "gpt2",
    backbone_sizes: Mapping[str, Any] | None = None,
    n_backbone_layers: int | None = None,
    lora_rank: int | None = None,
    backbone_precision: str | None = None,
) -> LanguageModel | None:
    """Make the language model that a network is built around.

    Where no values are wanted, as below ``torch.device("meta")``, nothing is read: the model of a name is a stand-in.

    Parameters
    ----------
    backbone
        A folder; a name on the Hugging Face hub; ``"random"`` for an untrained one, the same each time; or ``"none"``.
    hub_model_revision
        Branch, tag or commit on the hub; None for the newest.
    architecture
        Of an untrained one: ``"gpt2"``, ``"llama"``, ``"opt"``, ``"bert"`` or another ``model_type`` of
        ``transformers``.
    backbone_sizes
        Of an untrained one: ``d_model``, ``n_layers``, ``n_heads``, ``d_ff``, or anything that the configuration of its
        architecture has. What is left out is as in the smallest GPT-2, with ``d_ff`` four times ``d_model``.
    n_backbone_layers
        Layers that are kept, the first ones; None for all.
    lora_rank
        Rank of adapters that are trained in the place of its weights; None for none.
    backbone_precision
        ``"bf16"`` or ``"fp16"`` to keep it in half the memory and to compute in it, while nothing of it is trained;
        None for the precision of the network around it.

    Returns
    -------
    LanguageModel or None
        None for ``"none"``.

    Raises
    ------
    ImportError
        If ``transformers`` is not installed, or ``peft`` for adapters.
    ValueError
        If there is no such model, or an argument breaks its rule.

    Examples
    --------
    >>> from darts_tsformers.language import language_model
    >>> language_model("random", architecture="bert", backbone_sizes={"d_model": 8, "n_heads": 2}).d_model
    8
    """
    if not isinstance(backbone, str) or not backbone:
        raise ValueError(f"backbone={backbone!r} must be a folder, a name on the hub, 'random' or 'none'")
    if n_backbone_layers is not None:
        require_at_least(1, n_backbone_layers=n_backbone_layers)
    if lora_rank is not None:
        require_at_least(1, lora_rank=lora_rank)
    if backbone_precision is not None:
        require_one_of(PRECISIONS, backbone_precision=backbone_precision)
    made = {"lora_rank": lora_rank, "precision": backbone_precision}
    sizes = _sizes(backbone_sizes)
    if backbone == "none":
        return None
    transformers = _transformers()
    if backbone == "random":
        config = _shortened(_untrained_config(transformers, architecture, sizes), n_backbone_layers)
        return _untrained(transformers, config, architecture, made)
    if torch.get_default_device().type == "meta":
        is_here = Path(backbone).is_dir()
        config = _config(transformers, backbone, None) if is_here else transformers.GPT2Config(n_layer=1)
        return _untrained(transformers, _shortened(config, n_backbone_layers if is_here else None), backbone, made)
    return _published(transformers, backbone, hub_model_revision, n_backbone_layers, made)


def width_of(language: LanguageModel | None, backbone_sizes: Mapping[str, Any] | None) -> int:
    """Return the width of the tokens of a language model, or of those that do without one.

    Parameters
    ----------
    language
        The language model; None if there is none.
    backbone_sizes
        Whose ``d_model`` it is then, or else that of the smallest GPT-2.

    Examples
    --------
    >>> from darts_tsformers.language import width_of
    >>> width_of(None, {"d_model": 32}), width_of(None, None)
    (32, 768)
    """
    width: int = _sizes(backbone_sizes)["d_model"] if language is None else language.d_model
    return width


def _sizes(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"backbone_sizes={given!r} must be a dictionary or None")
    sizes = SIZES | ({"d_ff": 4 * given["d_model"]} if given and "d_model" in given else {}) | dict(given or {})
    require_at_least(1, **{name: sizes[name] for name in SIZES})
    return sizes


def _transformers() -> Any:
    """Import ``transformers``, which takes a second."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ImportError(
            "a language model needs transformers: pip install 'darts_tsformers[llm]', or take backbone='none'"
        ) from error


def _untrained_config(transformers: Any, architecture: str, sizes: Mapping[str, Any]) -> Any:
    try:
        usual = transformers.AutoConfig.for_model(architecture)
    except ValueError as error:
        raise ValueError(
            f"architecture={architecture!r} must be a model type of transformers, such as 'gpt2', 'llama', 'opt' or "
            "'bert'"
        ) from error
    if sizes["d_model"] % sizes["n_heads"]:
        raise ValueError(f"backbone_sizes: n_heads={sizes['n_heads']} must divide d_model={sizes['d_model']}")
    others = {name: value for name, value in sizes.items() if name not in SIZES}
    last_word = min(END, others.get("vocab_size", END + 1) - 1)
    for name in others:
        if not hasattr(usual, name):
            raise ValueError(f"backbone_sizes has {name!r}, which {architecture!r} knows nothing of")
    theirs: dict[str, Any] = {
        "hidden_size": sizes["d_model"],
        "num_hidden_layers": sizes["n_layers"],
        "num_attention_heads": sizes["n_heads"],
        "vocab_size": END + 1,
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), last_word),
        **{name: sizes["d_ff"] for name in _INNER_WIDTHS if hasattr(usual, name)},
    }
    derived = {
        "word_embed_proj_dim": sizes["d_model"],
        "num_key_value_heads": sizes["n_heads"],
        "head_dim": sizes["d_model"] // sizes["n_heads"],
    }
    theirs |= {name: value for name, value in derived.items() if hasattr(usual, name)}
    return transformers.AutoConfig.for_model(architecture, **theirs | others)


def _config(transformers: Any, backbone: str, revision: str | None) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(backbone, revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ValueError(_no_such(backbone, error)) from error


def _shortened(config: Any, n_layers: int | None) -> Any:
    """Return a configuration of the first layers."""
    if n_layers is None:
        return config
    if n_layers > config.num_hidden_layers:
        raise ValueError(f"n_backbone_layers={n_layers} must be at most the {config.num_hidden_layers} that there are")
    config.num_hidden_layers = n_layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:n_layers]
    return config


def _untrained(transformers: Any, config: Any, name: str, made: Mapping[str, Any]) -> LanguageModel:
    """Return a model of values that are the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = transformers.AutoModel.from_config(config)
    return LanguageModel(_without_pooler(model), name, Bytes, is_published=False, **made)


def _published(
    transformers: Any, backbone: str, revision: str | None, n_layers: int | None, made: Mapping[str, Any]
) -> LanguageModel:
    config = _shortened(_config(transformers, backbone, revision), n_layers)
    try:
        with _quietly(transformers), torch.random.fork_rng(devices=[]):
            model, found = transformers.AutoModel.from_pretrained(
                backbone,
                config=config,
                revision=revision,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # they are named below
                output_loading_info=True,
            )
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(_no_such(backbone, error)) from error
    if found["mismatched_keys"]:
        name, there, wanted = min(found["mismatched_keys"])
        raise ValueError(
            f"backbone={backbone!r} has weights that do not fit its config.json: {name!r} is of shape {tuple(there)}, "
            f"not {tuple(wanted)}"
        )
    missing = sorted(name for name in found["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise ValueError(f"backbone={backbone!r} lacks weights, such as {missing[0]!r}")

    tokenizer = partial(_published_tokenizer, backbone, revision)
    return LanguageModel(_without_pooler(model), backbone, tokenizer, is_published=True, **made)


def _published_tokenizer(backbone: str, revision: str | None) -> Published:
    lacking = f"backbone={backbone!r} must hold a tokeniser to read text"
    loader = _transformers().AutoTokenizer
    try:
        tokenizer = loader.from_pretrained(backbone, revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{lacking}: {error}") from error
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):  # what is made where there are no files
        raise ValueError(lacking)
    return Published(tokenizer)


def _without_pooler(model: Any) -> Any:
    """Take out what sums up a text in one vector, which nothing here reads and few have trained."""
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model


def _no_such(backbone: str, error: Exception) -> str:
    return f"backbone={backbone!r} must be a folder or a name on the hub, with weights as safetensors: {error}"


@contextmanager
def _quietly(transformers: Any) -> Iterator[None]:
    """Keep a table of weights that a model without a head has no use for from being printed."""
    logging = transformers.utils.logging
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
