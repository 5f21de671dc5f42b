"""FEDformer with Fourier blocks equals another implementation of it, faults included, under the same weights."""

import pytest

from tests.reference import _fedformer as ours
from tests.reference._golden import assert_met, names, read


@pytest.mark.parametrize("name", names("fedformer-block-neuralforecast"))
def test_block_of_neuralforecast_is_met(name):
    golden = read(name)
    assert_met(ours.block(golden), golden)


@pytest.mark.parametrize("name", names("fedformer-attention-neuralforecast"))
def test_attention_of_neuralforecast_is_met(name):
    golden = read(name)
    assert_met(ours.attention(golden), golden)


@pytest.mark.parametrize("name", names("fedformer-neuralforecast"))
def test_forecasts_of_neuralforecast_are_met(name):
    golden = read(name)
    assert_met(ours.forecast(golden), golden)


def test_golden_files_are_there():
    assert len(names("fedformer-block-neuralforecast")) == 4
    assert len(names("fedformer-attention-neuralforecast")) == 6
    assert len(names("fedformer-neuralforecast")) == 4
