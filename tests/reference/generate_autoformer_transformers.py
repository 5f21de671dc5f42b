"""Write the golden files of the parts of Autoformer as transformers computes them.

Its attention mixes the samples of a batch, and cuts queries that are longer than keys: there is one sample, and no
query sequence is longer than the keys. Its layers have more normalisations than the paper's: those after attention are
taken out, as ours have none there; the one at the end of a layer stays, a part of its own.
"""

from itertools import count

import torch
from _golden import scatter_, series, write
from torch import nn
from transformers import AutoformerConfig
from transformers.models.autoformer.modeling_autoformer import (
    AutoformerAttention,
    AutoformerDecoderLayer,
    AutoformerEncoderLayer,
    AutoformerLayernorm,
    AutoformerSeriesDecompositionLayer,
)

DEFAULTS = {"length": 11, "d_model": 6, "kernel_size": 5}
ATTENTION = DEFAULTS | {"length": 12, "n_heads": 3, "factor": 1}
LAYER = ATTENTION | {"d_ff": 13, "activation": "gelu", "n_out": 3}
DECOMPOSITION_CASES = {
    "L11-k5": {},
    "L12-k7": {"length": 12, "kernel_size": 7},
    "L7-k1": {"length": 7, "kernel_size": 1},
    "L7-k25": {"length": 7, "kernel_size": 25},
}
NORM_CASES = {"L11-D6": {}, "L12-D10": {"length": 12, "d_model": 10}, "L2-D6": {"length": 2}}
ATTENTION_CASES = {
    "L12": {},
    "L13": {"length": 13},
    "L24-c3": {"length": 24, "factor": 3},
    "L23-c3-h1": {"length": 23, "factor": 3, "n_heads": 1},
    "L12-M17": {"memory_length": 17},
    "L13-M18-c3": {"length": 13, "memory_length": 18, "factor": 3},
    "L13-M13": {"length": 13, "memory_length": 13},
}
ENCODER_CASES = {
    "L12": {},
    "L13-c3": {"length": 13, "factor": 3},
    "L13-relu": {"length": 13, "activation": "relu"},
    "L24-k25-D12": {"length": 24, "kernel_size": 25, "d_model": 12, "factor": 3},
}
DECODER_CASES = {
    "L12-M12": {"memory_length": 12},
    "L13-M17-c3": {"length": 13, "memory_length": 17, "factor": 3},
    "L12-M13-silu-k9": {"memory_length": 13, "activation": "silu", "kernel_size": 9},
    "L17-M24-D12": {"length": 17, "memory_length": 24, "d_model": 12, "factor": 3},
}


def config(settings: dict) -> AutoformerConfig:
    made = AutoformerConfig(
        d_model=settings["d_model"],
        encoder_attention_heads=settings.get("n_heads", 1),
        decoder_attention_heads=settings.get("n_heads", 1),
        encoder_ffn_dim=settings.get("d_ff", 1),
        decoder_ffn_dim=settings.get("d_ff", 1),
        activation_function=settings.get("activation", "gelu"),
        autocorrelation_factor=settings.get("factor", 1),
        moving_average=settings["kernel_size"],
        prediction_length=1,
    )
    made.feature_size = settings.get("n_out", 1)
    return made


@torch.no_grad()
def main() -> None:
    seeds = count()

    for case, changes in DECOMPOSITION_CASES.items():
        settings, seed = DEFAULTS | changes, next(seeds)
        layer = AutoformerSeriesDecompositionLayer(config(settings)).eval()
        x = series(11000 + seed, 5, settings["length"], settings["d_model"])
        write(f"autoformer-decomposition-transformers-{case}", settings, layer, x, torch.cat(layer(x), dim=-1))

    for case, changes in NORM_CASES.items():
        settings, seed = DEFAULTS | changes, next(seeds)
        layer = AutoformerLayernorm(config(settings)).eval()
        scatter_(layer, seed=10000 + seed)
        x = series(11000 + seed, 5, settings["length"], settings["d_model"])
        write(f"autoformer-norm-transformers-{case}", settings, layer, x, layer(x))

    for case, changes in ATTENTION_CASES.items():
        settings, seed = ATTENTION | changes, next(seeds)
        layer = AutoformerAttention(
            settings["d_model"], settings["n_heads"], autocorrelation_factor=settings["factor"]
        ).eval()
        scatter_(layer, seed=10000 + seed)
        x = series(11000 + seed, 1, settings["length"], settings["d_model"])
        memory = None
        if "memory_length" in settings:
            memory = series(12000 + seed, 1, settings["memory_length"], settings["d_model"])
        y, _ = layer(x, key_value_states=memory)
        write(f"autoformer-attention-transformers-{case}", settings, layer, x, y, memory)

    for case, changes in ENCODER_CASES.items():
        settings, seed = LAYER | changes, next(seeds)
        layer = AutoformerEncoderLayer(config(settings)).eval()
        layer.self_attn_layer_norm = nn.Identity()
        scatter_(layer, seed=10000 + seed)
        x = series(11000 + seed, 1, settings["length"], settings["d_model"])
        write(f"autoformer-encoder-transformers-{case}", settings, layer, x, layer(x))

    for case, changes in DECODER_CASES.items():
        settings, seed = LAYER | changes, next(seeds)
        layer = AutoformerDecoderLayer(config(settings)).eval()
        layer.self_attn_layer_norm = nn.Identity()
        layer.encoder_attn_layer_norm = nn.Identity()
        scatter_(layer, seed=10000 + seed)
        x = series(11000 + seed, 1, settings["length"], settings["d_model"])
        memory = series(12000 + seed, 1, settings["memory_length"], settings["d_model"])
        y = torch.cat(layer(x, encoder_hidden_states=memory), dim=-1)
        write(f"autoformer-decoder-transformers-{case}", settings, layer, x, y, memory)


if __name__ == "__main__":
    main()
