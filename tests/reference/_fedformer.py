"""FEDformer with Fourier blocks, faults included, and its parts under the weights of another implementation."""

import torch
from torch import Tensor

from darts_tsformers.layers.decomposition.moving_average import SeriesDecomposition
from darts_tsformers.layers.frequency.fourier import FourierAttention, FourierBlock
from darts_tsformers.layers.frequency.frequency_layer import FrequencyLayer
from darts_tsformers.networks._decomposition import DecompositionTransformer, Parts
from darts_tsformers.window import Sizes
from tests.reference._decomposing import NAMES, joined, renamed, window
from tests.reference._golden import Golden, filled

HEADS = 8
NETWORK_SETTINGS = ("d_model", "d_ff", "n_encoder_layers", "n_decoder_layers")
LAYER_NAMES = {"out_projection.": "project_out.", "inner_correlation.": "block."}
NETWORK_NAMES = NAMES | {".inner_correlation.": ".block."}


def block_layer(d_model: int, length: int, n_modes: int) -> FrequencyLayer:
    block = FourierBlock(d_model, HEADS, length, n_modes=n_modes, faithful=True)
    return FrequencyLayer(block, d_model, HEADS)


def attention_layer(
    d_model: int, length: int, memory_length: int, modes: list[int], memory_modes: list[int], activation: str
) -> FrequencyLayer:
    block = FourierAttention(
        d_model, HEADS, length, memory_length, n_modes=len(modes), activation=activation, faithful=True
    )
    block.register_buffer("memory_modes", torch.tensor(memory_modes))
    return FrequencyLayer(block, d_model, HEADS, cross=True)


def frequency_weights(theirs: dict[str, Tensor], names: dict[str, str], *, cross: tuple[str, ...]) -> dict[str, Tensor]:
    """Map the weights; what looks at the queries alone has no use for its projections of keys and values.

    Complex weights are laid out as heads, inputs, outputs, modes, ours as heads, modes, inputs, outputs.
    """
    ours = renamed(theirs, names)
    for name in [name for name in ours if name.endswith("weights1")]:
        weight = ours.pop(name).permute(0, 3, 1, 2)
        stem = name.removesuffix("weights1")
        ours |= {f"{stem}weights.real": weight.real, f"{stem}weights.imag": weight.imag}
    for name in [name for name in ours if "key_projection" in name or "value_projection" in name]:
        if not name.startswith(cross):
            del ours[name]
    ours = joined(ours, ["key_projection", "value_projection"], "project_memory")
    return {name.replace("query_projection", "project_query"): weight for name, weight in ours.items()}


def block(golden: Golden) -> Tensor:
    settings = golden.settings
    layer = block_layer(settings["d_model"], settings["length"], len(settings["modes"]))
    weights = frequency_weights(golden.weights, LAYER_NAMES, cross=())
    weights["block.modes"] = torch.tensor(settings["modes"])
    return filled(layer, weights)(golden.x)[0]


def attention(golden: Golden) -> Tensor:
    settings = golden.settings
    layer = attention_layer(
        settings["d_model"],
        settings["length"],
        settings["memory_length"],
        settings["modes"],
        settings["memory_modes"],
        settings["activation"],
    )
    weights = frequency_weights(golden.weights, LAYER_NAMES, cross=("",))
    weights |= {f"block.{kind}": torch.tensor(settings[kind]) for kind in ("modes", "memory_modes")}
    return filled(layer, weights)(golden.x, golden.memory)[0]


def forecast(golden: Golden) -> Tensor:
    """Forecast; its layers share blocks, ours have copies.

    Our FEDformer has sound blocks only: faulty ones take their place.
    """
    settings = golden.settings
    d_model, length = settings["d_model"], settings["input_length"]
    decoder_length = length // 2 + settings["output_length"]
    modes = [settings[name] for name in ("modes", "decoder_modes", "cross_modes", "memory_modes")]
    network = DecompositionTransformer(
        Sizes(length, settings["output_length"], n_future=settings["n_future"]),
        Parts(
            encoder_attention=lambda: block_layer(d_model, length, len(modes[0])),
            decoder_attention=lambda: block_layer(d_model, decoder_length, len(modes[1])),
            cross_attention=lambda: attention_layer(
                d_model, decoder_length, length, *modes[2:], settings["frequency_activation"]
            ),
            decomposition=lambda: SeriesDecomposition(settings["kernel_size"], dim=-2),
        ),
        **{name: settings[name] for name in NETWORK_SETTINGS},
        label_length=None,
        dropout=0.0,
        activation="gelu",
        padding_mode="circular",
    )
    crosses = tuple(f"decoder_layers.{i}.cross_attention." for i in range(settings["n_decoder_layers"]))
    weights = frequency_weights(golden.weights, NETWORK_NAMES, cross=crosses)
    for i in range(settings["n_encoder_layers"]):
        weights[f"encoder_layers.{i}.attention.block.modes"] = torch.tensor(modes[0])
    for i in range(settings["n_decoder_layers"]):
        weights[f"decoder_layers.{i}.self_attention.block.modes"] = torch.tensor(modes[1])
        weights[f"decoder_layers.{i}.cross_attention.block.modes"] = torch.tensor(modes[2])
        weights[f"decoder_layers.{i}.cross_attention.block.memory_modes"] = torch.tensor(modes[3])
    return filled(network, weights)(window(golden)).flatten(2)


OURS = {
    "fedformer-block-neuralforecast": block,
    "fedformer-attention-neuralforecast": attention,
    "fedformer-neuralforecast": forecast,
}
