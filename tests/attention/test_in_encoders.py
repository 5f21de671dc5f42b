"""Every registered mechanism serves every encoder that takes one by name, or is refused by it."""

from dataclasses import replace

import pytest
import torch

from darts_tsformers.attention import attention_names, build_attention
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.networks import (
    Autoformer,
    Informer,
    ITransformer,
    LogSparseTransformer,
    PatchTST,
    TemporalFusionTransformer,
)
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes
from tests.helpers import draw, make_window, scatter_

SIZES = Sizes(input_length=17, output_length=3, n_targets=2, n_past=1, n_future=1)
SMALL = {"d_model": 6, "n_heads": 2, "dropout": 0.0}
ENCODERS = {
    "patchtst": lambda name: PatchTST(SIZES, **SMALL, attention=name, n_encoder_layers=1, patch_length=3, stride=2),
    "itransformer": lambda name: ITransformer(SIZES, **SMALL, attention=name, n_encoder_layers=1),
    "informer": lambda name: Informer(SIZES, **SMALL, attention=name, n_encoder_layers=1),
    "autoformer": lambda name: Autoformer(SIZES, **SMALL, attention=name, n_encoder_layers=1, kernel_size=5),
    "log_sparse": lambda name: LogSparseTransformer(SIZES, **SMALL, attention=name, n_decoder_layers=1),
    "tft": lambda name: TemporalFusionTransformer(SIZES, **SMALL, attention=name),
}
CAUSAL = ("log_sparse", "tft")


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", attention_names())
def test_it_trains_and_forecasts_in_every_encoder_or_is_refused(name, encoder):
    mechanism = build_attention(name)
    if encoder in CAUSAL and not mechanism.supports_causal:
        with pytest.raises(ValueError, match=f"attention='{name}' has no causal form"):
            ENCODERS[encoder](name)
        return
    if encoder == "log_sparse" and not mechanism.strictly_causal:
        with pytest.raises(ValueError, match=f"attention='{name}' is causal in what it attends to but"):
            ENCODERS[encoder](name)
        return
    network = ENCODERS[encoder](name)
    window = make_window(SIZES)
    forecast = network.learn(replace(window, future_target=draw(3, 3, 2))).forecast
    forecast.square().mean().backward()
    without = [of for of, parameter in network.named_parameters() if parameter.grad is None]
    assert without == []
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    network.eval()
    with torch.no_grad():
        first, second = network(window), network(window)
    assert first.shape == (3, 3, 2, 1)
    assert torch.equal(first, second)
    assert first.isfinite().all()


@pytest.mark.parametrize("name", attention_names())
def test_what_a_layer_records_is_the_map_that_made_its_output(name):
    layer = scatter_(MultiHeadAttention(6, 2, attention=name, n_queries=17)).double().eval()
    x = draw(3, 13, 6, dtype=torch.float64)
    with recording("attention") as entries:
        out, _ = layer(x)
    weights = entries["attention"][0].tensors["weights"]
    values = layer.project_in(x).chunk(3, dim=-1)[2].unflatten(-1, (2, 3)).transpose(1, 2)
    torch.testing.assert_close(layer.project_out((weights @ values).transpose(1, 2).flatten(2)), out)
