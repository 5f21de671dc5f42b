"""A model that streams forecasts row by row what it forecasts from the whole."""

import inspect

import numpy as np
import pytest
import torch
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.networks import StreamingNetwork
from darts_tsformers.window import Sizes
from tests.contracts.cases import CASES, KINDS, Case, Data, H, L, cases_of, make_data
from tests.contracts.test_gaps import holed
from tests.helpers import scatter_


def streams(case: Case) -> bool:
    network_class = case.model_class.network_class
    if not issubclass(network_class, StreamingNetwork):
        return False
    known = inspect.signature(network_class).parameters
    arguments = {name: value for name, value in case.arguments.items() if name in known}
    return network_class(Sizes(L, H), **arguments).streams


STREAMING = [case for case in CASES if streams(case)]
every_streaming_model = pytest.mark.parametrize("case", STREAMING, ids=lambda case: case.name)


def fitted(case: Case, data: Data, **overrides):
    """Make a model with weights that were drawn, so that everything has an effect."""
    arguments = {"use_instance_norm": "running", "min_input_chunk_length": 1, "n_epochs": 0} | overrides
    model = case.model(**arguments).fit(data.series, **data.covariates())
    scatter_(model.model.forecaster)
    return model


def check(model, data: Data, first: int, **arguments) -> None:
    """Compare with ``predict`` from one length to the look-back and on."""
    stream = model.stream(data.series[:first], **data.covariates())
    for length in range(first, L + 1):
        if length > first:
            stream.update(data.series[length - 1 : length])
        ours = stream.forecast(**arguments).all_values()
        theirs = model.predict(H, data.series[:length], **data.covariates(), verbose=False, **arguments).all_values()
        assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()
    for length in range(L, 3 * L):
        assert np.isfinite(stream.update(data.series[length : length + 1]).forecast().values()).all()


def test_each_model_that_can_has_a_case_that_does():
    classes = {case.model_class for case in CASES if issubclass(case.model_class.network_class, StreamingNetwork)}
    assert {case.model_class for case in STREAMING} == classes
    assert all(any(map(streams, cases_of(one))) for one in classes)


@pytest.mark.parametrize(
    ("case", "norm"),
    [(case, "running") for case in STREAMING] + [(STREAMING[0], False)],
    ids=lambda one: one.name if isinstance(one, Case) else str(one),
)
def test_a_stream_equals_predict(case, norm):
    data = make_data()
    check(fitted(case, data, use_instance_norm=norm), data, first=2)


@every_streaming_model
def test_with_gaps_and_without_covariates(case):
    data = make_data(3, ())
    series = holed(data.series, 0.3)
    check(fitted(case, data), Data(series), first=4)


@every_streaming_model
def test_the_parameters_of_a_likelihood(case):
    data = make_data(3, KINDS)
    model = fitted(case, data, likelihood=QuantileRegression([0.1, 0.5, 0.9]))
    stream = model.stream(data.series[:7], **data.covariates()).update(data.series[7:10])
    ours = stream.forecast(predict_likelihood_parameters=True).values()
    theirs = model.predict(
        H, data.series[:10], **data.covariates(), predict_likelihood_parameters=True, verbose=False
    ).values()
    assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()
    torch.manual_seed(0)
    samples = stream.forecast(num_samples=7).all_values()
    assert samples.shape == (H, 3, 7)
    assert (samples.std(axis=-1) > 0).all()
