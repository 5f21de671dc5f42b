"""Autoformer and its parts equal two other implementations under the same weights."""

import pytest
import torch
from torch import Tensor, nn

from darts_tsformers.layers.decomposition import SeriesDecomposition
from darts_tsformers.layers.feed_forward import FeedForward
from darts_tsformers.layers.multi_head import MultiHeadAttention
from darts_tsformers.layers.progressive import DecomposingDecoderLayer, DecomposingEncoderLayer
from darts_tsformers.layers.seasonal_norm import SeasonalNorm
from darts_tsformers.layers.window import Sizes
from darts_tsformers.networks import Autoformer
from tests.reference._decomposing import NAMES, joined, renamed, window
from tests.reference._golden import Golden, names, read

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


def attention(golden: Golden, *, cross: bool = False) -> MultiHeadAttention:
    settings = golden.settings
    return MultiHeadAttention(settings["d_model"], settings["n_heads"], attention=auto_correlation(golden), cross=cross)


def feed_forward(golden: Golden) -> FeedForward:
    """Build the feed-forward part; that of transformers has biases."""
    settings = golden.settings
    return FeedForward(settings["d_model"], settings["d_ff"], dropout=0.0, activation=settings["activation"])


def decomposition(golden: Golden) -> SeriesDecomposition:
    return SeriesDecomposition(golden.settings["kernel_size"], dim=-2)


def transformers_weights(golden: Golden, names: dict[str, str]) -> dict[str, Tensor]:
    weights = joined(renamed(golden.weights, names), ["q_proj", "k_proj", "v_proj"], "project_in")
    return {name: weight for name, weight in weights.items() if not name.endswith("norm.bias")}


def filled(layer: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    layer.load_state_dict(weights, strict=True)
    return layer.eval()


def assert_met(actual: Tensor, golden: Golden) -> None:
    torch.testing.assert_close(actual, golden.y, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", names("autoformer-decomposition-transformers"))
def test_decomposition_of_transformers_is_met(name):
    golden = read(name)
    assert_met(torch.cat(decomposition(golden)(golden.x), dim=-1), golden)


@pytest.mark.parametrize("name", names("autoformer-norm-transformers"))
def test_seasonal_norm_of_transformers_is_met(name):
    """Its bias, which is not zero, has no effect."""
    golden = read(name)
    assert golden.weights["layernorm.bias"].abs().max() > 0.1
    layer = filled(SeasonalNorm(golden.settings["d_model"]), transformers_weights(golden, NORM_NAMES))
    assert_met(layer(golden.x), golden)


@pytest.mark.parametrize("name", names("autoformer-attention-transformers"))
def test_attention_of_transformers_is_met(name):
    golden = read(name)
    layer = filled(attention(golden, cross=golden.memory is not None), transformers_weights(golden, ATTENTION_NAMES))
    assert_met(layer(golden.x, golden.memory)[0], golden)


@pytest.mark.parametrize("name", names("autoformer-encoder-transformers"))
def test_encoder_layer_of_transformers_is_met(name):
    """Each of its layers ends with the normalisation that ours have after the last."""
    golden = read(name)
    layer = DecomposingEncoderLayer(attention(golden), feed_forward(golden), lambda: decomposition(golden))
    layers = nn.Sequential(layer, SeasonalNorm(golden.settings["d_model"]))
    assert_met(filled(layers, transformers_weights(golden, ENCODER_NAMES))(golden.x), golden)


@pytest.mark.parametrize("name", names("autoformer-decoder-transformers"))
def test_decoder_layer_of_transformers_is_met(name):
    golden = read(name)
    settings = golden.settings
    layer = DecomposingDecoderLayer(
        attention(golden),
        attention(golden, cross=True),
        feed_forward(golden),
        lambda: decomposition(golden),
        d_model=settings["d_model"],
        n_out=settings["n_out"],
        padding_mode="circular",
    )
    layers = nn.ModuleList([layer, SeasonalNorm(settings["d_model"])])
    layer, norm = filled(layers, transformers_weights(golden, DECODER_NAMES))
    x, trend = layer(golden.x, golden.memory)
    assert_met(torch.cat([norm(x), trend], dim=-1), golden)


@pytest.mark.parametrize("name", names("autoformer-neuralforecast"))
def test_forecasts_of_neuralforecast_are_met(name):
    golden = read(name)
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
    assert_met(network(window(golden)).squeeze(2), golden)


def test_golden_files_are_there():
    assert len(names("autoformer-decomposition-transformers")) == 4
    assert len(names("autoformer-norm-transformers")) == 3
    assert len(names("autoformer-attention-transformers")) == 7
    assert len(names("autoformer-encoder-transformers")) == 4
    assert len(names("autoformer-decoder-transformers")) == 4
    assert len(names("autoformer-neuralforecast")) == 9
