"""Write the golden files of the parts of Informer as transformers computes them.

Its whole model is another one: the parts alone are comparable. Its attention counts queries by another logarithm, draws
keys with replacement and sums the values of lazy causal queries, so the factor is large enough that all queries attend.
"""

from itertools import count

import torch
from _golden import scatter_, series, write
from torch import Tensor
from transformers import InformerConfig
from transformers.models.informer.modeling_informer import (
    InformerConvLayer,
    InformerDecoderLayer,
    InformerEncoderLayer,
    InformerProbSparseAttention,
)

BATCH = 5
DEFAULTS = {"length": 7, "d_model": 6}
ATTENTION = DEFAULTS | {"n_heads": 3, "factor": 17}
LAYER = ATTENTION | {"d_ff": 13, "activation": "gelu"}
DISTILLING_CASES = {
    "L7": {},
    "L8": {"length": 8},
    "L10-D12": {"length": 10, "d_model": 12},
    "L11-D12": {"length": 11, "d_model": 12},
}
ATTENTION_CASES = {
    "L7": {"causal": False},
    "L11-D12": {"causal": False, "length": 11, "d_model": 12},
    "L7-causal": {"causal": True},
    "L11-D12-causal": {"causal": True, "length": 11, "d_model": 12},
}
ENCODER_CASES = {
    "L7": {},
    "L11-D12": {"length": 11, "d_model": 12},
    "L7-relu": {"activation": "relu"},
    "L7-silu": {"activation": "silu"},
}
DECODER_CASES = {
    "L7-M11": {"memory_length": 11},
    "L11-M7-D12": {"length": 11, "memory_length": 7, "d_model": 12},
    "L7-M11-relu": {"memory_length": 11, "activation": "relu"},
}


def config(settings: dict) -> InformerConfig:
    return InformerConfig(
        d_model=settings["d_model"],
        encoder_attention_heads=settings["n_heads"],
        decoder_attention_heads=settings["n_heads"],
        encoder_ffn_dim=settings["d_ff"],
        decoder_ffn_dim=settings["d_ff"],
        activation_function=settings["activation"],
        attention_type="prob",
        sampling_factor=settings["factor"],
        attn_implementation="eager",
    )


def mask(length: int) -> Tensor:
    """Add minus infinity to the scores of later keys."""
    return torch.full((length, length), -torch.inf).triu(1).expand(BATCH, 1, length, length)


@torch.no_grad()
def main() -> None:
    seeds = count()

    for case, changes in DISTILLING_CASES.items():
        settings, seed = DEFAULTS | changes, next(seeds)
        layer = InformerConvLayer(settings["d_model"]).eval()
        scatter_(layer, seed=7000 + seed)
        x = series(8000 + seed, BATCH, settings["length"], settings["d_model"])
        write(f"informer-distilling-transformers-{case}", settings, layer, x, layer(x))

    for case, changes in ATTENTION_CASES.items():
        settings, seed = ATTENTION | changes, next(seeds)
        layer = InformerProbSparseAttention(
            settings["d_model"],
            settings["n_heads"],
            is_decoder=settings["causal"],
            sampling_factor=settings["factor"],
            layer_idx=0,
        ).eval()
        scatter_(layer, seed=7000 + seed)
        x = series(8000 + seed, BATCH, settings["length"], settings["d_model"])
        y, _ = layer(x, attention_mask=mask(settings["length"]) if settings["causal"] else None)
        write(f"informer-attention-transformers-{case}", settings, layer, x, y)

    for case, changes in ENCODER_CASES.items():
        settings, seed = LAYER | changes, next(seeds)
        layer = InformerEncoderLayer(config(settings)).eval()
        scatter_(layer, seed=7000 + seed)
        x = series(8000 + seed, BATCH, settings["length"], settings["d_model"])
        write(f"informer-encoder-transformers-{case}", settings, layer, x, layer(x, attention_mask=None))

    for case, changes in DECODER_CASES.items():
        settings, seed = LAYER | changes, next(seeds)
        layer = InformerDecoderLayer(config(settings), layer_idx=0).eval()
        scatter_(layer, seed=7000 + seed)
        x = series(8000 + seed, BATCH, settings["length"], settings["d_model"])
        memory = series(9000 + seed, BATCH, settings["memory_length"], settings["d_model"])
        y = layer(x, attention_mask=mask(settings["length"]), encoder_hidden_states=memory)
        write(f"informer-decoder-transformers-{case}", settings, layer, x, y, memory)


if __name__ == "__main__":
    main()
