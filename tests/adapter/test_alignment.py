"""Covariates and weights come to a window from the times it is of, in the type of number the model has."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from darts_tsformers import ITransformerModel
from darts_tsformers.adapter.checks.alignment import in_dtype
from tests.contracts.cases import TRAINER

L, H = 5, 3
DAYS = pd.date_range("2001-01-01", periods=40, freq="D")


def model(**arguments: Any) -> ITransformerModel:
    small = {"d_model": 8, "n_heads": 2, "n_encoder_layers": 1, "d_ff": 8, "n_epochs": 1, "batch_size": 16}
    return ITransformerModel(L, H, **small | {"random_state": 1, "pl_trainer_kwargs": TRAINER} | arguments)


def days(first: int, end: int, dtype: str = "float32") -> TimeSeries:
    """Return a series whose every value is the number of its day."""
    return TimeSeries(DAYS[first:end], np.arange(first, end, dtype=dtype)[:, None])


def numbered(index: pd.Index, first: int = 0) -> TimeSeries:
    return TimeSeries(index[first:], np.arange(first, len(index), dtype="float32")[:, None])


@pytest.mark.parametrize("index", [DAYS, pd.RangeIndex(10, 130, 3), pd.date_range("2001", periods=40, freq="MS")])
@pytest.mark.parametrize("arguments", [{}, {"min_input_chunk_length": 2}, {"output_chunk_shift": 2}], ids=str)
def test_what_a_covariate_was_before_it_begins_was_not_observed(index, arguments):
    series, late = numbered(index), numbered(index, 17)
    to_train = model(**arguments)
    weights = numbered(index, to_train.min_input_chunk_length + to_train.output_chunk_shift)
    training = to_train._build_train_dataset([series, series], [series, late], [late, series], [weights] * 2, None)
    n_hidden = 0
    for sample in (training[i] for i in range(len(training))):
        steps = np.concatenate([sample.past_target, sample.future_target])
        known = np.concatenate([sample.historic_future_covariates, sample.future_covariates])
        for covariate, target in ((sample.past_covariates, sample.past_target), (known, steps)):
            hidden = np.isnan(covariate)
            assert (covariate == target)[~hidden].all()
            assert (target[hidden & ~np.isnan(target)] < 17).all()
            n_hidden += hidden.sum()
        np.testing.assert_array_equal(sample.sample_weight, sample.future_target)
    assert n_hidden > 17


def test_late_covariates_train_and_forecast_as_those_that_are_nan_before(caplog):
    series, late = days(0, 30), days(27, 40)
    filled = days(0, 40)
    filled = filled.with_values(np.where(filled.values() < 27, np.nan, filled.values()).astype("float32"))
    forecasts = []
    for covariate in (late, filled):
        trained = model().fit(series, past_covariates=covariate, future_covariates=covariate)
        forecasts.append(trained.predict(2 * H, series).values())
    np.testing.assert_array_equal(*forecasts)
    for name in ("past_covariates", "future_covariates"):
        assert caplog.text.count(f"1 of 1 {name} begin after their series; before, they are not observed.") == 1


def test_covariates_that_begin_on_time_are_no_occasion_for_a_warning(caplog):
    model().fit(days(3, 30), past_covariates=days(3, 30), future_covariates=days(0, 30))
    assert "begin after" not in caplog.text


REACHES = [
    ({"past_covariates": days(0, 26)}, "past_covariates 1 is from 2001-01-01 00:00:00 to 2001-01-26 00:00:00", 0, 26),
    ({"past_covariates": days(30, 40)}, "past_covariates 1 is from 2001-01-31 00:00:00 to 2001-02-09 00:00:00", 0, 26),
    ({"future_covariates": days(0, 29)}, "future_covariates 1 is from 2001-01-01", 0, 29),
    ({"future_covariates": days(30, 40)}, "future_covariates 1 is from 2001-01-31", 0, 29),
    ({"sample_weight": days(6, 30)}, "sample_weight 1 is from 2001-01-07", 5, 29),
    ({"sample_weight": days(5, 29)}, "sample_weight 1 is from 2001-01-06", 5, 29),
]


@pytest.mark.parametrize(("given", "found", "first", "last"), REACHES, ids=[str(case[1]) for case in REACHES])
def test_what_does_not_reach_over_the_windows_of_its_series_is_named(given, found, first, last):
    ((name, short),) = given.items()
    message = f"{found}.* but must reach from {DAYS[first]} to {DAYS[last]} to train or validate on series 1"
    with pytest.raises(ValueError, match=message):
        model().fit([days(0, 30)] * 2, **{name: [days(0, 30), short]})


@pytest.mark.parametrize("name", ["past_covariates", "future_covariates", "sample_weight"])
def test_there_is_one_for_each_series(name):
    with pytest.raises(ValueError, match=f"{name} must be one for each series, not 1 for 2"):
        model().fit([days(0, 30)] * 2, **{name: [days(0, 30)]})


def with_size(series: TimeSeries) -> TimeSeries:
    return series.with_static_covariates(pd.DataFrame({"size": [0.5]}))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_forecasts_series_of_any_type_in_its_own(dtype):
    own, other = (
        {
            "series": with_size(days(0, 30, each)),
            "past_covariates": days(0, 40, each),
            "future_covariates": days(0, 40, each),
        }
        for each in (dtype, {"float32": "float64", "float64": "float32"}[dtype])
    )
    trained = model().fit(**own)
    for forecast in (trained.predict, lambda n, **given: trained.historical_forecasts(retrain=False, **given)):
        expected, found = (forecast(n=2 * H, **given) for given in (own, other))
        np.testing.assert_array_equal(found.values(), expected.values())
        assert found.dtype == expected.dtype == dtype


def test_a_model_trains_in_the_type_of_its_first_series():
    series = [days(0, 30), days(0, 30, "float64")]
    wide = {name: [days(0, 40, "float64")] * 2 for name in ("past_covariates", "future_covariates")}
    validation = {f"val_{name}": covariates[0] for name, covariates in wide.items()}
    trained = model().fit(
        series, **wide, sample_weight=[days(0, 30, "float64")] * 2, val_series=days(0, 30, "float64"), **validation
    )
    assert trained.predict(H, series[1], **{name: two[0] for name, two in wide.items()}).dtype == np.float32


def test_a_series_of_the_right_type_is_not_copied():
    series = days(0, 30)
    assert in_dtype([series], np.dtype("float32"))[0] is series
