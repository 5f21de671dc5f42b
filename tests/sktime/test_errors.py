"""What a forecaster cannot do it says in words of its user: the argument, its value and the rule."""

import re

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.sktime import InformerForecaster, PatchTSTForecaster
from tests.helpers import exactly
from tests.sktime.cases import LENGTH, QUANTILES, make_panel, make_X, make_y, tiny

ARGUMENTS = [
    ({"model_kwargs": {"lr": 1e-3}}, "model_kwargs has 'lr', which must be one of ['add_encoders', "),
    ({"model_kwargs": {"n_epochs": 3}}, "model_kwargs has 'n_epochs', which must be one of ['add_encoders', "),
    ({"model_kwargs": "fast"}, "model_kwargs='fast' must be None or a dict of arguments of Darts"),
    (
        {"quantiles": QUANTILES, "model_kwargs": {"loss_fn": 1}},
        "model_kwargs has 'loss_fn', which needs quantiles=None: quantiles=(0.1, 0.5, 0.9) bring their own",
    ),
    ({"quantiles": (0.1, 0.5)}, "quantiles=(0.1, 0.5) must lie in (0, 1), symmetric about 0.5, which is one of them"),
    ({"quantiles": 0.5}, "quantiles=0.5 must lie in (0, 1)"),
    ({"quantiles": ("median",)}, "quantiles=('median',) must lie in (0, 1)"),
    ({"quantiles": ()}, "quantiles=() must lie in (0, 1)"),
    ({"quantiles": (0.0, 0.5, 1.0)}, "quantiles=(0.0, 0.5, 1.0) must lie in (0, 1)"),
    ({"d_model": 4, "n_heads": 3}, "n_heads=3 must divide d_model=4"),
    ({"input_chunk_length": 0}, "input_chunk_length=0 must be an integer of at least 1"),
    ({"num_samples": 0}, "num_samples=0 must be an integer of at least 1"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS, ids=lambda x: str(x)[:40])
def test_bad_arguments(arguments, message):
    forecaster = tiny(PatchTSTForecaster, **arguments)
    with pytest.raises(ValueError, match=re.escape(message)):
        forecaster.fit(make_y())


@pytest.mark.parametrize(
    ("arguments", "what"),
    [({}, "input_chunk_length=7"), ({"min_input_chunk_length": 5}, "min_input_chunk_length=5")],
    ids=["look-back", "short look-back"],
)
def test_too_short_to_train(arguments, what):
    forecaster = tiny(PatchTSTForecaster, **arguments)
    needed = int(what[-1]) + 3
    why = f"which must be at least {needed} to train: {what} and output_chunk_length=3"
    with pytest.raises(ValueError, match=exactly(f"y has {needed - 1} time steps, {why}")):
        forecaster.fit(make_y(needed - 1))
    with pytest.raises(ValueError, match=exactly(f"the longest instance of y has 6 time steps, {why}")):
        forecaster.fit(make_panel({"south": 6, "north": 4}))
    assert len(forecaster.fit(make_y(needed)).predict([1])) == 1


def test_too_short_to_forecast():
    forecaster = tiny(PatchTSTForecaster).fit(make_panel({"south": 31, "north": 6}))
    message = "instance 'north' of y has 6 time steps, which must be at least input_chunk_length=7 to be forecast"
    with pytest.raises(ValueError, match=exactly(message)):
        forecaster.predict([1])


def test_exogenous_data_missing_in_predict():
    y, X = make_y(), make_X()
    forecaster = tiny(InformerForecaster).fit(y, X=X[:LENGTH], fh=[1, 3])
    message = (
        "X has no value of 'price' at 2004-08, a step to forecast for y: "
        "X must be known at every step from 2004-08 to 2004-10"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        forecaster.predict()
    with pytest.raises(ValueError, match="'price' at 2004-10"):
        forecaster.predict(X=X[LENGTH : LENGTH + 2])
    X.iloc[LENGTH + 1, 1] = np.nan
    with pytest.raises(ValueError, match="X has no value of 'holiday' at 2004-09"):
        forecaster.predict(X=X[LENGTH:])


def test_exogenous_data_missing_for_an_instance():
    panel = make_panel({"south": 29, "north": 23})
    X = pd.concat({name: make_X(40) for name in ["south", "north"]}, names=panel.index.names)
    forecaster = tiny(PatchTSTForecaster).fit(panel, X=X[X.index.isin(panel.index)])
    with pytest.raises(ValueError, match="a step to forecast for instance 'north' of y"):
        forecaster.predict([1], X=X.loc[["south"]])


def test_exogenous_data_that_are_not_those_of_training():
    y, X = make_y(), make_X()
    forecaster = tiny(PatchTSTForecaster).fit(y, fh=[1])
    message = "X has the columns ['price', 'holiday'], which must be those that the model was trained with: []"
    with pytest.raises(ValueError, match=exactly(message)):
        forecaster.predict(X=X[LENGTH:])
    pretrained = tiny(PatchTSTForecaster).pretrain(
        pd.concat({"south": y}, names=["store", "month"]),
        X=pd.concat({"south": X[:LENGTH]}, names=["store", "month"]),
    )
    message = "X is missing: the model was trained with its columns ['price', 'holiday'] and needs them"
    with pytest.raises(ValueError, match=exactly(message)):
        pretrained.fit(y)


def test_quantiles_beyond_those_learnt():
    forecaster = tiny(PatchTSTForecaster, quantiles=QUANTILES).fit(make_y(), fh=[1])
    message = "the quantile 0.95 must lie within the outermost of quantiles=(0.1, 0.5, 0.9), which are learnt"
    with pytest.raises(ValueError, match=exactly(message)):
        forecaster.predict_quantiles(alpha=0.95)


def test_irregular_time_stamps():
    y = make_y(index=pd.date_range("2001-03-05", periods=LENGTH, freq="D")).drop(pd.Timestamp("2001-03-17"))
    message = "the time stamps from 2001-03-05 00:00:00 to 2001-04-14 00:00:00 have no frequency and are not regular"
    with pytest.raises(ValueError, match=message):
        tiny(PatchTSTForecaster).fit(y)
    assert len(tiny(PatchTSTForecaster).fit(y.asfreq("D")).predict([1])) == 1


def test_an_update_between_two_steps():
    y = make_y(index=pd.date_range("2001-03-05", periods=LENGTH, freq="D"))
    forecaster = tiny(PatchTSTForecaster).fit(y)
    late = make_y(1, index=pd.DatetimeIndex(["2001-04-15 12:00"]))
    with pytest.raises(ValueError, match="2001-04-15 12:00:00 lies between the steps of D that start at 2001-03-05"):
        forecaster.update(late, update_params=False).predict([1])
