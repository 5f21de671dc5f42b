"""Series that no model can make anything of are refused, by name."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.utils.data import SequentialTorchTrainingDataset

from darts_tsformers import ITransformerModel
from tests.contracts.cases import TRAINER

GIVEN = ["series", "past_covariates", "future_covariates"]


def model(**arguments: Any) -> ITransformerModel:
    return ITransformerModel(5, 3, d_model=8, n_heads=2, n_epochs=1, pl_trainer_kwargs=TRAINER, **arguments)


def data(infinite: str = "") -> dict[str, TimeSeries]:
    given = {name: np.sin(np.arange(23.0))[:, None].astype("float32") for name in GIVEN}
    if infinite:
        given[infinite][7] = -np.inf
    return {name: TimeSeries.from_values(values) for name, values in given.items()}


@pytest.mark.parametrize("name", GIVEN)
def test_infinite_values_are_refused_in_training(name):
    with pytest.raises(ValueError, match=f"{name} 0 has infinite values; what was not observed has to be NaN"):
        model().fit(**data(name))


@pytest.mark.parametrize("name", GIVEN)
def test_infinite_values_are_refused_in_forecasting(name):
    fitted = model().fit(**data())
    given = data(name) | {"series": data(name)["series"][:20]}
    with pytest.raises(ValueError, match=f"{name} 0 has infinite values"):
        fitted.predict(3, **given)
    assert np.isfinite(fitted.predict(3, **(data() | {"series": data()["series"][:20]})).values()).all()


def test_series_without_any_observed_value_are_refused_in_training():
    series = data()["series"]
    nothing = series.with_values(np.full_like(series.values(), np.nan))
    for given in ({"series": nothing}, {"series": [nothing] * 2}, {"series": series, "val_series": nothing}):
        with pytest.raises(ValueError, match="series must have values that were observed, to train or to validate on"):
            model().fit(**given)
    assert np.isfinite(model().fit([nothing, series]).predict(3, series).values()).all()


def with_statics(*rows: float) -> TimeSeries:
    values = np.sin(np.arange(46.0)).reshape(23, 2).astype("float32")
    series = TimeSeries.from_values(values)
    return series.with_static_covariates(pd.DataFrame({"size": rows})) if rows else series


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ((), (0.5,), "series 1 has 1 rows of static covariates and series 0 has 0"),
        ((0.5, 1.5), (), "series 1 has 0 rows of static covariates and series 0 has 2"),
        ((0.5, 1.5), (0.5,), "series 1 has 1 rows of static covariates and series 0 has 2"),
    ],
)
def test_series_with_and_without_static_covariates_are_refused_together(first, second, found):
    with pytest.raises(ValueError, match=f"{found}: series given together must all have none, one row for all"):
        model().fit([with_statics(*first), with_statics(*second)])
    fitted = model().fit(with_statics(0.5, 1.5))
    with pytest.raises(ValueError, match="series 1 has 1 rows of static covariates and series 0 has 2"):
        fitted.predict(3, [with_statics(0.5, 1.5), with_statics(0.5)])


def test_infinite_static_covariates_are_refused():
    infinite = with_statics(0.5, np.inf)
    with pytest.raises(ValueError, match="series 0 has infinite static covariates; what is not known has to be NaN"):
        model().fit(infinite)
    with pytest.raises(ValueError, match="series 1 has infinite static covariates"):
        model().fit(with_statics(0.5, 1.5)).predict(3, [with_statics(0.5, 1.5), infinite])


def test_static_covariates_that_are_not_used_are_not_looked_at():
    given = [with_statics(0.5, np.inf), with_statics()]
    assert len(model().fit(with_statics()).predict(3, given)) == 2
    assert len(model(use_static_covariates=False).fit(given).predict(3, given)) == 2


def test_a_data_set_names_its_static_covariates():
    series = with_statics(0, 1)
    chunks = {"input_chunk_length": 5, "output_chunk_length": 3}
    dataset = SequentialTorchTrainingDataset(series=series, **chunks, use_static_covariates=True)
    by_dataset = model(categorical_embedding_sizes={"size": 2}, random_state=3).fit_from_dataset(dataset)
    by_series = model(categorical_embedding_sizes={"size": 2}, random_state=3).fit(series)
    assert np.isfinite(by_dataset.predict(3, series).values()).all()
    assert by_dataset._categories() == by_series._categories() == [(0, 2, 2)]
