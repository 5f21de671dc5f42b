"""Every registered mechanism serves every encoder that takes one by name, or is refused by it."""

from dataclasses import replace

import pytest
import torch

from darts_tsformers.attention import attention_names, build_attention
from darts_tsformers.networks import (
    Autoformer,
    Informer,
    ITransformer,
    LogSparseTransformer,
    PatchTST,
    TemporalFusionTransformer,
)
from darts_tsformers.window import Sizes
from tests.helpers import draw, make_window

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
