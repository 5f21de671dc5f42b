"""Nights away from home in Australia: forecasts of 96 series at once, made to add up."""

from functools import cache

import numpy as np
import pytest
from darts import TimeSeries
from darts.dataprocessing.transformers import (
    BottomUpReconciliator,
    MinTReconciliator,
    Scaler,
    TopDownReconciliator,
)

from darts_tsformers.models import FEDformerModel, ITransformerModel, TSFormerModel
from tests.contracts.cases import TRAINER
from tests.pipelines.real import read

PURPOSES = ("Hol", "VFR", "Bus", "Oth")
STATES = ("NSW", "VIC", "QLD", "SA", "WA", "TAS", "NT")
PLACES = ("city", "noncity")
H = 4


def hierarchy() -> dict[str, list[str]]:
    """Name the parents: purposes below the total, states below purposes, city and country below states."""
    below_total = {purpose: ["Total"] for purpose in PURPOSES}
    by_state = {f"{state} - {purpose.lower()}": [purpose] for state in STATES for purpose in PURPOSES}
    by_place = {f"{parent} - {place}": [parent] for parent in by_state for place in PLACES}
    return below_total | by_state | by_place


@cache
def nights() -> TimeSeries:
    tree = hierarchy()
    return read("australian_tourism")[["Total", *tree]].with_hierarchy(tree)


def adds_up(series: TimeSeries) -> float:
    """Return the largest gap between a parent and the sum of its children, as a share of the parent."""
    children: dict[str, list[str]] = {}
    for child, (parent,) in hierarchy().items():
        children.setdefault(parent, []).append(child)
    gaps = [
        np.abs(series[[parent]].values() - series[names].values().sum(axis=1, keepdims=True)).max()
        / np.abs(series[[parent]].values()).max()
        for parent, names in children.items()
    ]
    return float(max(gaps))


@cache
def forecast_of(model_class: type[TSFormerModel]) -> TimeSeries:
    arguments = {"kernel_sizes": (3,), "modes": 4} if model_class is FEDformerModel else {}
    model = model_class(
        12, H, d_model=16, n_heads=2, n_epochs=15, batch_size=8, random_state=0, pl_trainer_kwargs=TRAINER, **arguments
    )
    scaler = Scaler()
    forecast = model.fit(scaler.fit_transform(nights()[:-H])).predict(H)
    return scaler.inverse_transform(forecast).with_hierarchy(hierarchy())


def test_the_data_add_up():
    assert adds_up(nights()) < 1e-3


@pytest.mark.parametrize("model_class", [ITransformerModel, FEDformerModel])
@pytest.mark.parametrize("make", [BottomUpReconciliator, TopDownReconciliator, MinTReconciliator])
def test_reconciled_forecasts_add_up(model_class, make):
    forecast, reconciliator = forecast_of(model_class), make()
    if make is not BottomUpReconciliator:
        reconciliator.fit(nights()[:-H])
    reconciled = reconciliator.transform(forecast)
    assert adds_up(forecast) > 0.01
    assert adds_up(reconciled) < 1e-3
    assert list(reconciled.components) == list(nights().components)
    errors = [np.abs(one.values() - nights()[-H:].values()).mean() for one in (reconciled, forecast)]
    assert errors[0] < 1.5 * errors[1]
