"""A blow planted into a week of electricity demand is what a forecasting anomaly model points at."""

import numpy as np
import pytest
from darts.ad import ForecastingAnomalyModel, NormScorer, QuantileDetector

from darts_tsformers.models import ITransformerModel, PatchTSTModel, TSFormerModel
from tests.contracts.cases import TRAINER
from tests.pipelines.real import read

DAY = 48


def small(model_class: type[TSFormerModel]) -> TSFormerModel:
    arguments = {"patch_length": 8, "stride": 8} if model_class is PatchTSTModel else {}
    return model_class(
        DAY, DAY // 4, d_model=16, n_heads=2, n_epochs=3, random_state=0, pl_trainer_kwargs=TRAINER, **arguments
    )


@pytest.mark.parametrize("model_class", [PatchTSTModel, ITransformerModel])
def test_a_planted_anomaly_scores_highest(model_class):
    demand = read("taylor")
    train, week = demand[: 14 * DAY], demand[14 * DAY : 21 * DAY]
    at = 5 * DAY + 23
    values = week.values(copy=True)
    values[at] *= 0.6
    struck = week.with_values(values)
    detective = ForecastingAnomalyModel(small(model_class).fit(train), NormScorer())
    scores = detective.score(struck, start=2 * DAY, start_format="position", verbose=False)
    calm = detective.score(week, start=2 * DAY, start_format="position", verbose=False)
    assert scores.time_index[int(np.argmax(scores.values()))] == week.time_index[at]
    assert scores.values().max() > 2 * calm.values().max()
    flags = QuantileDetector(high_quantile=0.995).fit_detect(scores)
    assert flags.slice_intersect(week[at : at + 1]).values().item() == 1
