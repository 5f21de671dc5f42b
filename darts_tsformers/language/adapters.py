"""Low-rank adapters: a few weights beside frozen ones, which are trained in their place."""

import importlib
import re
from typing import Any

from torch import nn

from darts_tsformers.checks import require_at_least

_OF_AN_ADAPTER = re.compile(r"\.(lora_[AB]|base_layer)\.")


def with_adapters(transformer: Any, rank: int) -> Any:
    r"""Put low-rank adapters beside the maps of attention: ``W`` becomes ``W + B A`` with ``B`` zero at the start.

    Which maps is what ``peft`` takes for the architecture. Their biases, where there are any, are trained as well.

    Parameters
    ----------
    transformer
        A model of ``transformers``; it is changed.
    rank
        Rows of ``A`` and columns of ``B``.

    Raises
    ------
    ImportError
        If ``peft`` is not installed.
    ValueError
        If ``rank`` is no positive integer, or ``peft`` knows no maps for the architecture.

    Notes
    -----
    Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022 (arXiv 2106.09685), at scale 1.
    """
    require_at_least(1, lora_rank=rank)
    try:
        peft = importlib.import_module("peft")
    except ImportError as error:
        raise ImportError("lora_rank needs peft: pip install 'darts_tsformers[llm]', or take lora_rank=None") from error
    kind = transformer.config.model_type
    maps = peft.utils.constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(kind)
    if maps is None:
        raise ValueError(f"lora_rank={rank!r} must be None for {kind!r}: peft does not know its maps of attention")
    parts = [part for name, part in transformer.named_modules() if name.rpartition(".")[2] in maps]
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=list(maps),
        bias="lora_only",
        fan_in_fan_out=not isinstance(parts[0], nn.Linear),  # GPT-2 keeps its maps the other way round
    )
    return peft.inject_adapter_in_model(config, transformer)


def is_trained(transformer: nn.Module) -> bool:
    """Say whether anything but adapters is trained."""
    return any(
        weight.requires_grad and _OF_AN_ADAPTER.search(name) is None for name, weight in transformer.named_parameters()
    )
