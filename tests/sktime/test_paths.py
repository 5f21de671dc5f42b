"""A model that draws paths as an sktime forecaster: any quantile, by default and without any learnt."""

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.sktime._make import forecaster_class
from tests.adapter.walkers import WalkerModel
from tests.contracts.cases import TRAINER

WalkerForecaster = forecaster_class(WalkerModel, "WalkerForecaster")
Y = pd.Series(np.sin(np.arange(40)) + np.arange(40) / 10, index=pd.period_range("2001-01", periods=40, freq="M"))
FH = [1, 3, 7]


@pytest.mark.parametrize("quantiles", [(0.1, 0.5, 0.9), None])
def test_any_quantile_is_read_off_the_same_paths(quantiles):
    forecaster = WalkerForecaster(
        13, 5, quantiles=quantiles, num_samples=101, n_epochs=1, random_state=7,
        model_kwargs={"pl_trainer_kwargs": TRAINER},
    )  # fmt: skip
    forecaster.fit(Y)
    levels = [0.01, 0.5, 0.99]
    found = forecaster.predict_quantiles(FH, alpha=levels)
    assert (found.diff(axis=1).iloc[:, 1:] > 0).all(axis=None)
    pd.testing.assert_frame_equal(found, forecaster.predict_quantiles(FH, alpha=levels))
    np.testing.assert_allclose(forecaster.predict(FH), found.iloc[:, 1])
    np.testing.assert_allclose(forecaster.predict_interval(FH, coverage=0.98), found.iloc[:, [0, 2]])
