"""What the model of TSDiff adds to its network: lags by frequency, recipes, quantiles."""

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.models import TSDiffModel
from darts_tsformers.seasonality import lags_of
from tests.contracts.cases import CASE, H, fitted, make_data
from tests.helpers import exactly


@pytest.mark.parametrize(
    ("freq", "first", "last"),
    [
        ("h", 24, 672),
        ("15min", 96, 2688),
        ("4h", 6, 168),
        ("D", 30, 360),
        ("B", 30, 360),
        ("W-SUN", 52, 156),
        ("MS", 12, 36),
        ("QE", 4, 12),
        ("YE", 1, 3),
        (pd.offsets.Hour(1), 24, 672),
    ],
)
def test_any_frequency_has_lags(freq, first, last):
    lags = lags_of(freq)
    assert (lags[0], lags[-1]) == (first, last)
    assert lags == sorted(set(lags))


def test_a_frequency_stands_for_its_lags():
    model = TSDiffModel(40, 5, lags="MS", **TSDiffModel.tiny)
    assert model._network_params["lags"] == [12, 24, 36]
    with pytest.raises(ValueError, match="freq='fortnight' must be a frequency that pandas knows"):
        TSDiffModel(40, 5, lags="fortnight")
    message = f"lags={lags_of('h')} must be from 1 to 39, below the look-back"
    with pytest.raises(ValueError, match=exactly(message)):
        TSDiffModel(40, 5, lags="h")


@pytest.mark.parametrize("dataset", sorted(TSDiffModel.paper_configs))
def test_a_recipe_makes_a_model(dataset):
    config = TSDiffModel.paper_config(dataset)
    context = config["input_chunk_length"] - (lags_of(config["lags"])[-1] if config["lags"] else 0)
    assert context + config["output_chunk_length"] in (360, 390)
    assert TSDiffModel(**config).input_chunk_length == config["input_chunk_length"]


def test_quantiles_are_read_off_paths_and_widen_with_their_level():
    data = make_data(1, ())
    paths = fitted(CASE["TSDiffModel"], 1, ()).predict(H, num_samples=40, random_state=1)
    low, high = (paths.quantile(q).values() for q in (0.1, 0.9))
    assert (low < high).all()
    assert np.isfinite(paths.all_values()).all()
    assert paths.start_time() == data.series.end_time() + data.series.freq
