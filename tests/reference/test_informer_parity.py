"""The parts of Informer equal another implementation of them under the same weights."""

import pytest

from tests.reference import _informer as ours
from tests.reference._golden import assert_met, names, read


@pytest.mark.parametrize("name", names("informer-distilling-transformers"))
def test_distilled_tokens_of_transformers_are_met(name):
    golden = read(name)
    assert_met(ours.distilling(golden), golden)


@pytest.mark.parametrize("name", names("informer-attention-transformers"))
def test_attention_of_transformers_is_met(name):
    golden = read(name)
    assert_met(ours.attention(golden), golden)


@pytest.mark.parametrize("name", names("informer-encoder-transformers"))
def test_encoder_layer_of_transformers_is_met(name):
    golden = read(name)
    assert_met(ours.encoder(golden), golden)


@pytest.mark.parametrize("name", names("informer-decoder-transformers"))
def test_decoder_layer_of_transformers_is_met(name):
    golden = read(name)
    assert_met(ours.decoder(golden), golden)


def test_golden_files_are_there():
    assert len(names("informer-distilling-transformers")) == 4
    assert len(names("informer-attention-transformers")) == 4
    assert len(names("informer-encoder-transformers")) == 4
    assert len(names("informer-decoder-transformers")) == 3
