"""What a stream refuses, and that it is as before then."""

import numpy as np
import pytest
from darts.utils.likelihood_models.torch import GaussianLikelihood

from darts_tsformers import ITransformerModel, LogSparseTransformerModel
from tests.adapter.fading import FadingModel
from tests.adapter.streams import LOG_SPARSE, H, L, assert_same, fitted, make, one
from tests.contracts.cases import TRAINER
from tests.helpers import exactly


@pytest.fixture(scope="module")
def data():
    return make()


@pytest.fixture(scope="module")
def model(data):
    return fitted("fading", data, min_input_chunk_length=4)


@pytest.fixture
def stream(model, data):
    return model.stream(data.series[:20], data.past_covariates[:22], data.future_covariates[:26])


def test_of_a_model_that_is_not_fitted(data):
    model = FadingModel(L, H, pl_trainer_kwargs=TRAINER)
    with pytest.raises(
        ValueError, match=exactly("FadingModel must be fitted, or loaded with its weights, before stream")
    ):
        model.stream(data.series)


def test_of_one_that_cannot(data):
    model = ITransformerModel(L, H, n_epochs=0, d_model=8, pl_trainer_kwargs=TRAINER).fit(data.series)
    with pytest.raises(
        ValueError,
        match=r"ITransformerModel cannot stream as it is: ITransformer cannot. Models that can: .*LogSparse",
    ):
        model.stream(data.series)


def test_of_one_that_could(data):
    arguments = LOG_SPARSE | {"positions": "window"}
    model = LogSparseTransformerModel(L, H, n_epochs=0, pl_trainer_kwargs=TRAINER, **arguments).fit(data.series)
    with pytest.raises(ValueError, match=r"LogSparseTransformer does when it is trained with .*positions='history'"):
        model.stream(data.series)


@pytest.mark.parametrize(
    ("norm", "use"), [("use_instance_norm", "'running' or False"), ("use_reversible_instance_norm", "False")]
)
def test_of_a_norm_by_the_whole_window(norm, use):
    data = make(())
    with pytest.raises(ValueError, match=f"{norm}=True normalises by the whole window.*train with {norm}={use}"):
        fitted("fading", data, **{norm: True}).stream(data.series)


def test_of_relative_positions():
    data = make(())
    model = fitted("fading", data, add_encoders={"position": {"future": ["relative"]}})
    with pytest.raises(ValueError, match=r"add_encoders has 'position', relative to the last row"):
        model.stream(data.series)


def test_of_a_series_to_begin_with(model, data):
    covariates = data.covariates()
    hidden = data.series[:20].with_values(np.full((20, 3), np.nan, dtype="float32"))
    with pytest.raises(
        ValueError, match=exactly("series has 3 steps, but must have at least min_input_chunk_length=4")
    ):
        model.stream(data.series[:3], **covariates)
    with pytest.raises(ValueError, match=exactly("series must have values that were observed, to begin from")):
        model.stream(hidden, **covariates)
    with pytest.raises(
        ValueError, match=exactly("series must be one series, not 2: follow each by a stream of its own")
    ):
        model.stream([data.series, data.series], **covariates)
    with pytest.raises(ValueError, match=r"must have equal number of components|has 1 components"):
        model.stream(data.series["y0"], **covariates)
    with pytest.raises(ValueError, match=r"has been trained with `past_covariates`"):
        model.stream(data.series[:10], future_covariates=data.future_covariates)
    with pytest.raises(ValueError, match=r"past_covariates is from .* but must reach from .* to "):
        model.stream(data.series[:20], data.past_covariates[:19], data.future_covariates)
    with pytest.raises(ValueError, match=r"infinite"):
        model.stream(data.series[:20] * np.inf, **covariates)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 5)), r"values of shape \(2, 5\) must be rows of 3 components, \(n, 3\)"),
        (np.zeros(2), r"values of shape \(1, 2\) must be rows of 3 components"),
        (np.zeros((0, 3)), r"values of shape \(0, 3\) must be rows"),
        (np.full((1, 3), np.inf), "values has infinite values; what was not observed has to be NaN"),
    ],
    ids=["wide", "narrow", "none", "infinite"],
)
def test_of_rows(stream, values, message):
    before = one(stream)
    with pytest.raises(ValueError, match=message):
        stream.update(values)
    assert_same(one(stream), before)


def test_of_rows_that_do_not_follow_on(stream, data):
    before = one(stream)
    for begin in (19, 21):
        with pytest.raises(ValueError, match=r"values begins at .* but must follow on the last row, at 2001-03-25"):
            stream.update(data.series[begin : begin + 2])
    weekly = data.series.resample("2D")[:2].shift(10)
    with pytest.raises(ValueError, match=r"values has the frequency .* which must be"):
        stream.update(weekly)
    with pytest.raises(
        ValueError, match=r"past_covariates begins at .* but must follow on those before, at .* or earlier"
    ):
        stream.update(data.series[20:21], past_covariates=data.past_covariates[23:])
    assert_same(one(stream), before)
    assert stream.end_time == data.series.time_index[19]


def test_of_covariates(stream, data):
    before = one(stream)
    with pytest.raises(ValueError, match=r"past_covariates must be given to 2001-03-27 .* and are known to 2001-03-26"):
        stream.update(data.series[20:23])
    with pytest.raises(ValueError, match=r"future_covariates of shape \(1, 3\) must be rows of 2 components"):
        stream.update(data.series[20:21], future_covariates=np.zeros(3))
    assert_same(one(stream), before)
    stream.update(data.series[20:22])
    with pytest.raises(
        ValueError, match=r"future_covariates must be given to 2001-03-31 .* and are known to 2001-03-30"
    ):
        stream.forecast()
    stream.update(data.series[22:23], data.past_covariates[22:23], np.array([[0.0, np.nan], [0.0, 0.0]]))
    with pytest.raises(
        ValueError, match=r"future_covariates component 'f1' is NaN at 2001-03-31 .*, a step to forecast"
    ):
        stream.forecast()
    alone = fitted("fading", make(())).stream(make(()).series)
    with pytest.raises(ValueError, match=exactly("past_covariates must be None: the model was trained without them")):
        alone.update(np.zeros(3), past_covariates=np.zeros(2))


def test_of_what_is_asked_for(stream):
    with pytest.raises(ValueError, match=exactly("n=0 must be at least 1")):
        stream.forecast(0)
    with pytest.raises(ValueError, match=r"need a model with a likelihood"):
        stream.forecast(num_samples=3)
    with pytest.raises(ValueError, match=r"need a model with a likelihood"):
        stream.forecast(predict_likelihood_parameters=True)
    likely, shifted = (
        fitted("fading", make(()), **changes).stream(make(()).series)
        for changes in ({"likelihood": GaussianLikelihood()}, {"output_chunk_shift": 2})
    )
    for one_of_them, arguments in ((likely, {"predict_likelihood_parameters": True}), (shifted, {})):
        with pytest.raises(ValueError, match=r"n=6 must be at most output_chunk_length=5 with "):
            one_of_them.forecast(6, **arguments)
    with pytest.raises(ValueError, match=r"num_samples=2 must be 1"):
        likely.forecast(num_samples=2, predict_likelihood_parameters=True)
