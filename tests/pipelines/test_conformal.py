"""Conformal intervals for electricity demand hold what they promise: a share of the truth lies inside."""

from typing import Any

import numpy as np
import pytest
from darts.models import ConformalNaiveModel, ConformalQRModel
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.models import ITransformerModel, PatchTSTModel, TSFormerModel
from tests.contracts.cases import TRAINER
from tests.pipelines.real import read

DAY, H = 48, 6
TRAIN, CALIBRATED = 28 * DAY, 63 * DAY


def small(model_class: type[TSFormerModel], **arguments: Any) -> TSFormerModel:
    patches = {"patch_length": 8, "stride": 8} if model_class is PatchTSTModel else {}
    sizes = {"d_model": 16, "n_heads": 2, "n_encoder_layers": 1, "batch_size": 64, "n_epochs": 3}
    return model_class(DAY, H, random_state=0, pl_trainer_kwargs=TRAINER, **sizes, **patches, **arguments)


@pytest.mark.parametrize(
    ("conformal_class", "model_class", "coverage"),
    [(ConformalNaiveModel, PatchTSTModel, 0.8), (ConformalQRModel, ITransformerModel, 0.8)],
)
def test_coverage_is_nominal(conformal_class, model_class, coverage):
    demand = read("taylor")
    low, high = (1 - coverage) / 2, (1 + coverage) / 2
    is_quantile = conformal_class is ConformalQRModel
    model = small(model_class, likelihood=QuantileRegression([low, 0.5, high]) if is_quantile else None)
    model.fit(demand[:TRAIN])
    conformal = conformal_class(model, quantiles=[low, 0.5, high], cal_length=14 * DAY // H, cal_stride=H)
    forecasts = conformal.historical_forecasts(
        demand[TRAIN:],
        forecast_horizon=H,
        start=CALIBRATED - TRAIN,
        start_format="position",
        stride=H,
        retrain=False,
        last_points_only=False,
        predict_likelihood_parameters=True,
        verbose=False,
    )
    truth = np.concatenate([demand.slice_intersect(forecast).values() for forecast in forecasts])[:, 0]
    lower, _, upper = np.concatenate([forecast.values() for forecast in forecasts]).T
    assert len(truth) > 900
    assert np.mean((lower <= truth) & (truth <= upper)) == pytest.approx(coverage, abs=0.05)
