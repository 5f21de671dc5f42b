"""A stream forecasts as ``predict`` does."""

import numpy as np
import pandas as pd
import pytest
import torch
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression

from tests.adapter.streams import BEGIN, H, L, assert_same, check, every_model, fitted, followed, make, predicted
from tests.contracts.cases import Data


@every_model
@pytest.mark.parametrize("norm", ["running", False])
@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "gaps"])
def test_a_stream_equals_predict(name, norm, gaps):
    data = make(gaps=gaps)
    check(fitted(name, data, use_instance_norm=norm), data, first=12 if gaps else BEGIN)


@every_model
def test_in_double_precision_it_does_so_to_ten_digits(name):
    data = make(gaps=True, dtype="float64")
    check(fitted(name, data, instance_norm_affine=True), data, first=12, tolerance=1e-10)


@every_model
@pytest.mark.parametrize("kinds", [(), ("past",), ("future",), ("static",)], ids=str)
def test_each_kind_of_covariates_alone(name, kinds):
    data = make(kinds, index="range")
    check(fitted(name, data), data)


@every_model
@pytest.mark.parametrize("first", [1, 2, 40, L])
def test_it_may_begin_at_any_length(name, first):
    data = make()
    model = fitted(name, data)
    assert_same(followed(model, data, range(first, first + 1)), predicted(model, data, range(first, first + 1)))


@every_model
def test_a_series_longer_than_the_look_back_begins_with_its_end(name):
    data = make()
    model = fitted(name, data)
    stream = model.stream(data.series, **data.covariates())
    theirs = model.predict(H, data.series, **data.covariates(), verbose=False)
    assert_same([stream.forecast().all_values()], [theirs.all_values()])
    assert stream.forecast().time_index.equals(theirs.time_index)
    assert stream.forecast().static_covariates.equals(theirs.static_covariates)


@every_model
def test_a_component_that_is_not_observed_yet(name):
    data = make()
    values = data.series.values(copy=True)
    values[:30, 1] = np.nan
    data = Data(data.series.with_values(values), data.past_covariates, data.future_covariates)
    check(fitted(name, data), data)


@every_model
def test_a_shifted_chunk(name):
    data = make()
    check(fitted(name, data, output_chunk_shift=2), data)


@every_model
@pytest.mark.parametrize("n", [3, 7, 14])
def test_any_horizon(name, n):
    data = make()
    model = fitted(name, data)
    stream = model.stream(data.series[:20], **data.covariates()).update(data.series[20:31])
    theirs = model.predict(n, data.series[:31], **data.covariates(), verbose=False)
    assert_same([stream.forecast(n).all_values()], [theirs.all_values()])
    again = stream.update(data.series[31:32]).forecast(n).all_values()  # the way ahead has left no trace
    assert_same([again], [model.predict(n, data.series[:32], **data.covariates(), verbose=False).all_values()])


@every_model
@pytest.mark.parametrize("likelihood", [GaussianLikelihood(), QuantileRegression([0.1, 0.5, 0.9])], ids=["normal", "q"])
def test_the_parameters_of_a_likelihood(name, likelihood):
    data = make()
    model = fitted(name, data, likelihood=likelihood)
    stream = model.stream(data.series[:20], **data.covariates()).update(data.series[20:31])
    ours = stream.forecast(predict_likelihood_parameters=True)
    theirs = model.predict(H, data.series[:31], **data.covariates(), predict_likelihood_parameters=True, verbose=False)
    assert list(ours.components) == list(theirs.components)
    assert_same([ours.all_values()], [theirs.all_values()])


@every_model
def test_samples_are_of_the_likelihood(name):
    data = make(())
    model = fitted(name, data, likelihood=GaussianLikelihood())
    stream = model.stream(data.series[:20])
    torch.manual_seed(0)
    samples = stream.forecast(num_samples=300).all_values()
    assert samples.shape == (H, 3, 300)
    mean, spread = stream.forecast(1, predict_likelihood_parameters=True).values().reshape(3, 2).T
    assert (np.abs(samples[0].mean(-1) - mean) < 5 * spread / 300**0.5).all()
    assert (np.abs(samples[0].std(-1) / spread - 1) < 0.2).all()


def fifths(index: pd.DatetimeIndex) -> pd.Index:
    return (index.dayofyear % 5) / 5


ENCODERS = {
    "cyclic": {"future": ["dayofweek"]},
    "datetime_attribute": {"past": ["month"], "future": ["dayofyear"]},
    "custom": {"past": [fifths]},
}


@every_model
@pytest.mark.parametrize("kinds", [(), ("past", "future")], ids=["alone", "with others"])
def test_encoders_go_on_with_time(name, kinds):
    data = make(kinds)
    check(fitted(name, data, add_encoders=ENCODERS), data)


def test_covariates_kept_from_training_hold_their_encodings_already():
    data = make()
    model = fitted("fading", data, add_encoders=ENCODERS)
    assert_same([model.stream().forecast().all_values()], [model.predict(H, verbose=False).all_values()])


def test_categories():
    data = make()
    static = pd.DataFrame({"store": [2.0, 0.0, 1.0], "size": [0.1, 0.2, 0.3]})
    data = Data(data.series.with_static_covariates(static), data.past_covariates, data.future_covariates)
    check(fitted("log-sparse", data, categorical_embedding_sizes={"store": 3}), data)
