"""Autoformer and its parts equal two other implementations under the same weights."""

import pytest

from tests.reference import _autoformer as ours
from tests.reference._golden import assert_met, names, read


@pytest.mark.parametrize("name", names("autoformer-decomposition-transformers"))
def test_decomposition_of_transformers_is_met(name):
    golden = read(name)
    assert_met(ours.decomposition(golden), golden)


@pytest.mark.parametrize("name", names("autoformer-norm-transformers"))
def test_seasonal_norm_of_transformers_is_met(name):
    golden = read(name)
    assert_met(ours.seasonal_norm(golden), golden)


@pytest.mark.parametrize("name", names("autoformer-attention-transformers"))
def test_attention_of_transformers_is_met(name):
    golden = read(name)
    assert_met(ours.attention(golden), golden)


@pytest.mark.parametrize("name", names("autoformer-encoder-transformers"))
def test_encoder_layer_of_transformers_is_met(name):
    golden = read(name)
    assert_met(ours.encoder(golden), golden)


@pytest.mark.parametrize("name", names("autoformer-decoder-transformers"))
def test_decoder_layer_of_transformers_is_met(name):
    golden = read(name)
    assert_met(ours.decoder(golden), golden)


@pytest.mark.parametrize("name", names("autoformer-neuralforecast"))
def test_forecasts_of_neuralforecast_are_met(name):
    golden = read(name)
    assert_met(ours.forecast(golden), golden)


def test_golden_files_are_there():
    assert len(names("autoformer-decomposition-transformers")) == 4
    assert len(names("autoformer-norm-transformers")) == 3
    assert len(names("autoformer-attention-transformers")) == 7
    assert len(names("autoformer-encoder-transformers")) == 4
    assert len(names("autoformer-decoder-transformers")) == 4
    assert len(names("autoformer-neuralforecast")) == 9
