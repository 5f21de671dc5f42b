"""The parts of the Temporal Fusion Transformer equal another implementation of them under the same weights."""

import pytest

from tests.reference import _tft as ours
from tests.reference._golden import assert_met, names, read


@pytest.mark.parametrize("name", names("tft-grn-neuralforecast"))
def test_gated_residual_network_of_neuralforecast_is_met(name):
    golden = read(name)
    assert_met(ours.gated_residual_network(golden), golden)


@pytest.mark.parametrize("name", names("tft-attention-neuralforecast"))
def test_attention_of_neuralforecast_is_met(name):
    golden = read(name)
    for n_last in (1, 3, golden.settings["length"]):
        assert_met(ours.attention(golden, n_last), golden._replace(y=golden.y[:, -n_last:]))


@pytest.mark.parametrize("name", names("tft-selection-neuralforecast"))
def test_variable_selection_of_neuralforecast_is_met(name):
    golden = read(name)
    assert_met(ours.variable_selection(golden), golden)


def test_golden_files_are_there():
    assert len(names("tft-grn-neuralforecast")) == 4
    assert len(names("tft-attention-neuralforecast")) == 4
    assert len(names("tft-selection-neuralforecast")) == 3
