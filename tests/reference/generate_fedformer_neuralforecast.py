"""Write the golden files of FEDformer as neuralforecast computes it, with the faults of the authors' code.

There are the layers around the two blocks, and the whole network. It draws its modes from NumPy's global state and
keeps them out of the state dict: here they are given. Its blocks have eight heads. The weights of the attention are
drawn larger, as the authors' code divides by the square of the width: the block would have next to no part in an
output. Its queries are drawn smaller where the complex tangent has to keep away from its poles.
"""

from itertools import count

import torch
from _golden import scatter_, series, write
from neuralforecast.models import FEDformer
from neuralforecast.models.fedformer import AutoCorrelationLayer, FourierBlock, FourierCrossAttention
from torch import nn

HEADS = 8
DEFAULTS = {"length": 12, "d_model": 16, "modes": [0, 1, 2]}
ATTENTION = DEFAULTS | {"memory_length": 10, "memory_modes": [0, 1, 2, 3], "activation": "complex_tanh"}
NETWORK = {
    "input_length": 24,
    "output_length": 6,
    "n_future": 0,
    "kernel_size": 5,
    "d_model": 16,
    "n_encoder_layers": 2,
    "n_decoder_layers": 1,
    "d_ff": 19,
    "frequency_activation": "softmax",
    "modes": [0, 2, 5, 7],
    "decoder_modes": [0, 1, 4, 8],
    "cross_modes": [0, 3, 4, 6],
    "memory_modes": [1, 2, 6, 11],
}
BLOCK_CASES = {
    "L12-lowest": {},
    "L12": {"modes": [1, 3, 4]},
    "L13-D24": {"length": 13, "d_model": 24, "modes": [0, 2, 5]},
    "L24-all": {"length": 24, "modes": list(range(12))},
}
ATTENTION_CASES = {
    "L12-M10-lowest": {},
    "L12-M10": {"modes": [1, 3, 4], "memory_modes": [0, 2, 4]},
    "L13-M17": {"length": 13, "memory_length": 17, "modes": [0, 4, 5], "memory_modes": [1, 2, 7]},
    "L9-M24-D24": {"length": 9, "memory_length": 24, "d_model": 24, "modes": [1, 3], "memory_modes": [0, 3, 5, 11]},
    "L12-M10-softmax": {"modes": [1, 3, 4], "memory_modes": [0, 2, 4], "activation": "softmax"},
    "L13-M17-softmax": {"length": 13, "memory_length": 17, "modes": [0, 4], "activation": "softmax"},
}
NETWORK_CASES = {
    "L24-H6": {},
    "L24-H6-tanh": {"frequency_activation": "complex_tanh"},
    "L24-H7-layers3-2": {"output_length": 7, "n_encoder_layers": 3, "n_decoder_layers": 2},
    "L24-H6-F2": {"n_future": 2},
}
ACTIVATIONS = {"complex_tanh": "tanh", "softmax": "softmax"}


def block(d_model: int, length: int, modes: list[int]) -> FourierBlock:
    made = FourierBlock(d_model, d_model, length, len(modes), "lowest")
    set_modes(made, modes)
    return made


def attention(settings: dict) -> FourierCrossAttention:
    n_modes = max(len(settings["modes"]), len(settings["memory_modes"]))
    made = FourierCrossAttention(
        settings["d_model"],
        settings["d_model"],
        settings["length"],
        settings["memory_length"],
        n_modes,
        "lowest",
        ACTIVATIONS[settings["activation"]],
    )
    made.weights1 = nn.Parameter(made.weights1[..., : len(settings["modes"])].detach())
    made.index_q, made.index_kv = settings["modes"], settings["memory_modes"]
    return made


def set_modes(made: FourierBlock, modes: list[int]) -> None:
    assert len(made.index) == len(modes)
    made.index = modes


def scatter_layer_(layer: nn.Module, seed: int) -> None:
    scatter_(layer, seed)
    for part in layer.modules():
        if isinstance(part, FourierCrossAttention):
            part.weights1 *= part.in_channels * HEADS
        inner = getattr(part, "inner_correlation", None)
        if isinstance(inner, FourierCrossAttention) and inner.activation == "tanh":
            part.query_projection.weight *= 0.003
            part.query_projection.bias *= 0.003


@torch.no_grad()
def main() -> None:
    seeds = count()

    for case, changes in BLOCK_CASES.items():
        settings, seed = DEFAULTS | changes, next(seeds)
        d_model, length = settings["d_model"], settings["length"]
        layer = AutoCorrelationLayer(block(d_model, length, settings["modes"]), d_model, HEADS).eval()
        scatter_layer_(layer, seed=16000 + seed)
        x = series(17000 + seed, 3, length, d_model)
        y, _ = layer(x, x, x, None)
        write(f"fedformer-block-neuralforecast-{case}", settings, layer, x, y)

    for case, changes in ATTENTION_CASES.items():
        settings, seed = ATTENTION | changes, next(seeds)
        layer = AutoCorrelationLayer(attention(settings), settings["d_model"], HEADS).eval()
        scatter_layer_(layer, seed=16000 + seed)
        x = series(17000 + seed, 3, settings["length"], settings["d_model"])
        memory = series(18000 + seed, 3, settings["memory_length"], settings["d_model"])
        y, _ = layer(x, memory, memory, None)
        write(f"fedformer-attention-neuralforecast-{case}", settings, layer, x, y, memory)

    for case, changes in NETWORK_CASES.items():
        settings, seed = NETWORK | changes, next(seeds)
        model = FEDformer(
            h=settings["output_length"],
            input_size=settings["input_length"],
            futr_exog_list=[f"known{i}" for i in range(settings["n_future"])],
            modes=len(settings["modes"]),
            mode_select="lowest",
            hidden_size=settings["d_model"],
            dropout=0.0,
            n_head=HEADS,
            conv_hidden_size=settings["d_ff"],
            encoder_layers=settings["n_encoder_layers"],
            decoder_layers=settings["n_decoder_layers"],
            MovingAvg_window=settings["kernel_size"],
            max_steps=1,
        ).eval()
        set_modes(model.encoder.attn_layers[0].attention.inner_correlation, settings["modes"])
        set_modes(model.decoder.layers[0].self_attention.inner_correlation, settings["decoder_modes"])
        cross = model.decoder.layers[0].cross_attention.inner_correlation
        cross.index_q, cross.index_kv = settings["cross_modes"], settings["memory_modes"]
        cross.activation = ACTIVATIONS[settings["frequency_activation"]]
        scatter_layer_(model, seed=16000 + seed)
        x = series(17000 + seed, 3, settings["input_length"], 1)
        known = None
        if settings["n_future"]:
            steps = settings["input_length"] + settings["output_length"]
            known = series(18000 + seed, 3, steps, settings["n_future"])
        y = model({"insample_y": x, "futr_exog": known})
        write(f"fedformer-neuralforecast-{case}", settings, model, x, y, known=known)


if __name__ == "__main__":
    main()
