"""iTransformer equals another implementation of it under the same weights."""

import pytest

from tests.reference._golden import assert_met, names, read
from tests.reference._itransformer import forecast


@pytest.mark.parametrize("name", names("itransformer-neuralforecast"))
def test_forecasts_of_neuralforecast_are_met(name):
    golden = read(name)
    assert_met(forecast(golden), golden)


def test_number_of_variates_built_for_does_not_matter():
    golden = read("itransformer-neuralforecast-C7")
    assert_met(forecast(golden, n_variates=3), golden)


def test_golden_files_are_there():
    assert len(names("itransformer-neuralforecast")) == 7
