"""Autoformer and its parts under the weights of two other implementations."""

import torch
from torch import Tensor, nn

from darts_tsformers.layers.decomposition.moving_average import SeriesDecomposition
from darts_tsformers.layers.decomposition.progressive import DecomposingDecoderLayer, DecomposingEncoderLayer
from darts_tsformers.layers.decomposition.seasonal_norm import SeasonalNorm
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.networks import Autoformer
from darts_tsformers.window import Sizes
from tests.reference._decomposing import NAMES, joined, renamed, window
from tests.reference._golden import Golden, filled

NETWORK_SETTINGS = (
    "label_length",
    "kernel_size",
    "d_model",
    "n_heads",
    "n_encoder_layers",
    "n_decoder_layers",
    "d_ff",
    "activation",
)
NORM_NAMES = {"layernorm.": "norm."}
ATTENTION_NAMES = {"out_proj.": "project_out."}
LAYER_NAMES = ATTENTION_NAMES | {
    "fc1.": "0.feed_forward.0.",
    "fc2.": "0.feed_forward.3.",
    "final_layer_norm.layernorm.": "1.norm.",
    "trend_projection.": "0.trend.linear.",
}
ENCODER_NAMES = LAYER_NAMES | {"self_attn.": "0.attention."}
DECODER_NAMES = LAYER_NAMES | {"self_attn.": "0.self_attention.", "encoder_attn.": "0.cross_attention."}


def auto_correlation(golden: Golden) -> tuple[str, dict[str, int | str]]:
    return "auto_correlation", {"factor": golden.settings["factor"], "truncate": "first"}


def attention_layer(golden: Golden, *, cross: bool = False) -> MultiHeadAttention:
    settings = golden.settings
    return MultiHeadAttention(settings["d_model"], settings["n_heads"], attention=auto_correlation(golden), cross=cross)


def feed_forward_layer(golden: Golden) -> FeedForward:
    """Build the feed-forward part; that of transformers has biases."""
    settings = golden.settings
    return FeedForward(settings["d_model"], settings["d_ff"], dropout=0.0, activation=settings["activation"])


def decomposition_layer(golden: Golden) -> SeriesDecomposition:
    return SeriesDecomposition(golden.settings["kernel_size"], dim=-2)


def transformers_weights(golden: Golden, names: dict[str, str]) -> dict[str, Tensor]:
    weights = joined(renamed(golden.weights, names), ["q_proj", "k_proj", "v_proj"], "project_in")
    return {name: weight for name, weight in weights.items() if not name.endswith("norm.bias")}


def decomposition(golden: Golden) -> Tensor:
    return torch.cat(decomposition_layer(golden)(golden.x), dim=-1)


def seasonal_norm(golden: Golden) -> Tensor:
    """Normalise; its bias, which is not zero, has no effect."""
    assert golden.weights["layernorm.bias"].abs().max() > 0.1
    return filled(SeasonalNorm(golden.settings["d_model"]), transformers_weights(golden, NORM_NAMES))(golden.x)


def attention(golden: Golden) -> Tensor:
    layer = attention_layer(golden, cross=golden.memory is not None)
    return filled(layer, transformers_weights(golden, ATTENTION_NAMES))(golden.x, golden.memory)[0]


def encoder(golden: Golden) -> Tensor:
    """Encode; each of its layers ends with the normalisation that ours have after the last."""
    layer = DecomposingEncoderLayer(
        attention_layer(golden), feed_forward_layer(golden), lambda: decomposition_layer(golden)
    )
    layers = nn.Sequential(layer, SeasonalNorm(golden.settings["d_model"]))
    return filled(layers, transformers_weights(golden, ENCODER_NAMES))(golden.x)


def decoder(golden: Golden) -> Tensor:
    """Return seasonal part and trend side by side."""
    settings = golden.settings
    layer = DecomposingDecoderLayer(
        attention_layer(golden),
        attention_layer(golden, cross=True),
        feed_forward_layer(golden),
        lambda: decomposition_layer(golden),
        d_model=settings["d_model"],
        n_out=settings["n_out"],
        padding_mode="circular",
    )
    layers = nn.ModuleList([layer, SeasonalNorm(settings["d_model"])])
    layer, norm = filled(layers, transformers_weights(golden, DECODER_NAMES))
    x, trend = layer(golden.x, golden.memory)
    return torch.cat([norm(x), trend], dim=-1)


def forecast(golden: Golden) -> Tensor:
    settings = golden.settings
    sizes = Sizes(
        settings["input_length"],
        settings["output_length"],
        n_future=settings["n_future"],
        n_parameters=settings["n_parameters"],
        n_levels=settings["n_parameters"],
    )
    network = Autoformer(
        sizes,
        **{name: settings[name] for name in NETWORK_SETTINGS},
        attention=auto_correlation(golden),
        padding_mode="circular",
    )
    projections = [f"{part}_projection" for part in ("query", "key", "value")]
    filled(network.body, joined(renamed(golden.weights, NAMES), projections, "project_in"))
    return network(window(golden)).squeeze(2)


OURS = {
    "autoformer-decomposition-transformers": decomposition,
    "autoformer-norm-transformers": seasonal_norm,
    "autoformer-attention-transformers": attention,
    "autoformer-encoder-transformers": encoder,
    "autoformer-decoder-transformers": decoder,
    "autoformer-neuralforecast": forecast,
}
