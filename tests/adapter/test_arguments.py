"""What passes to Darts is checked when a model is made, or called; an error names it, its value and the rule."""

import inspect
import re

import numpy as np
import pandas as pd
import pytest
import torch
import torchmetrics
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from darts_tsformers import ITransformerModel, TemporalFusionTransformerModel
from darts_tsformers.adapter.arguments import DOCS
from darts_tsformers.adapter.checks.argument_rules import RULES
from darts_tsformers.adapter.checks.sizes import LARGEST, MOST_LAYERS
from tests.contracts.cases import CASE, CASES, make_data
from tests.helpers import exactly

NO_INTEGERS = [0.5, "3", None, True, [1], 2**63, -2]
NO_FLAGS = [0, 1, "yes", None]
BAD = {
    "batch_size": [*NO_INTEGERS, 0],
    "n_epochs": NO_INTEGERS,
    "nr_epochs_val_period": [*NO_INTEGERS, 0],
    "random_state": [-1, 2**32, 0.5, "7", False],
    "loss_fn": ["mse", torch.nn.MSELoss, 3],
    "likelihood": ["gaussian", GaussianLikelihood, 3],
    "torch_metrics": [3, "mse", torchmetrics.MeanSquaredError, [3], {"mse": 3}, {3: torchmetrics.MeanSquaredError()}],
    "optimizer_cls": ["Adam", None, torch.nn.Linear, 3],
    "optimizer_kwargs": [[1], "lr", {3: 1}, {"learning_rate": 0.1}, {"lr": -1.0}, {"lr": "0.1"}],
    "lr_scheduler_cls": ["StepLR", torch.optim.Adam, 3],
    "lr_scheduler_kwargs": [[1], {3: 1}],
    "use_reversible_instance_norm": [3, None, "x", {"gain": True}, {"affine": 1}, {"eps": 0.0}, {"eps": "x"}],
    "add_encoders": [
        1.5,
        ["cyclic"],
        {"cycle": {"future": ["month"]}},
        {"cyclic": {"later": ["month"]}},
        {"cyclic": ["month"]},
        {"cyclic": {"future": ["fortnight"]}},
        {"datetime_attribute": {"past": ["fortnight"]}},
        {"position": {"future": ["absolutely"]}},
        {"cyclic": {"future": ["hour"]}, "tz": "Middle-earth"},
        {"cyclic": {"future": ["hour"]}, "transformer": 3},
    ],
    "pl_trainer_kwargs": [
        "x",
        {3: 1},
        {"max_epoch": 3},
        {"max_epochs": 0.5},
        {"check_val_every_n_epoch": 0},
        {"callbacks": 3},
        {"callbacks": ["early"]},
        {"callbacks": None},
    ],
    "enable_finetuning": [3, "all", {}, {"thaw": ["*"]}, {"freeze": "*"}, {"freeze": [3]}, {"freeze": [], "thaw": []}],
    "model_name": [3, ""],
    "work_dir": [None, 3],
    **dict.fromkeys(("log_tensorboard", "force_reset", "save_checkpoints", "show_warnings"), NO_FLAGS),
}  # fmt: skip


def test_every_argument_of_darts_has_a_rule():
    assert RULES.keys() == DOCS.keys() == BAD.keys()


def as_id(given: object) -> str:
    """Write what is given without its address, which differs from process to process."""
    return re.sub(" at 0x[0-9a-f]+", "", str(given))[:50]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values], ids=as_id
)
def test_a_bad_argument_is_refused_when_the_model_is_made(name, value):
    with pytest.raises(ValueError, match=f"^{name}.*must be") as raised:
        ITransformerModel(13, 5, **{name: value})
    keys = value if isinstance(value, dict) else ()
    assert repr(value) in str(raised.value) or any(repr(key) in str(raised.value) for key in keys)


def test_arguments_of_a_scheduler_that_it_does_not_take():
    with pytest.raises(ValueError, match=r"lr_scheduler_kwargs=\{'step': 1\} must be arguments of StepLR"):
        ITransformerModel(13, 5, lr_scheduler_cls=StepLR, lr_scheduler_kwargs={"step": 1})


def test_no_loss_is_for_a_likelihood_alone():
    with pytest.raises(ValueError, match="loss_fn=None must be a loss"):
        ITransformerModel(13, 5, loss_fn=None)
    assert ITransformerModel(13, 5, loss_fn=None, likelihood=QuantileRegression([0.5])).likelihood is not None


GOOD = [
    {"n_epochs": np.int64(1), "batch_size": np.int32(9)},
    {"n_epochs": -1, "pl_trainer_kwargs": {"max_epochs": 1, "callbacks": []}},
    {"torch_metrics": [torchmetrics.MeanSquaredError(), torchmetrics.MeanAbsoluteError()]},
    {"torch_metrics": {"mse": torchmetrics.MeanSquaredError()}},
    {"optimizer_cls": torch.optim.SGD, "optimizer_kwargs": {"lr": 0.1, "momentum": 0.9}},
    {
        "lr_scheduler_cls": ReduceLROnPlateau,
        "lr_scheduler_kwargs": {"patience": 2, "monitor": "train_loss", "interval": "epoch"},
    },
    {"use_reversible_instance_norm": {"affine": True, "eps": 1e-4}},
    {"enable_finetuning": {"freeze": ["forecaster.*"]}, "random_state": np.int64(2**32 - 1)},
    {"add_encoders": {"cyclic": {"future": ["hour"]}, "position": {"past": ["relative"]}, "tz": "CET"}},
]


@pytest.mark.parametrize("arguments", GOOD, ids=lambda arguments: "-".join(arguments))
def test_what_darts_takes_is_taken(arguments):
    model = ITransformerModel(13, 5, **arguments)
    assert all(model.model_params[name] is not None for name in arguments)


def sizes_of(model_class):
    own = inspect.signature(model_class).parameters.values()
    return [one.name for one in own if one.name not in DOCS and one.annotation is int and "seed" not in one.name]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_size_beyond_all_computers_is_refused_at_once(case):
    for name in sizes_of(case.model_class):
        for value in (2**63, 2**31):
            most = MOST_LAYERS if name.endswith("layers") else LARGEST
            with pytest.raises(ValueError, match=exactly(f"{name}={value} must be at most {most}")):
                case.model(**{name: value})


def test_many_layers_of_one_encoder_among_several_are_refused_too():
    with pytest.raises(ValueError, match="replica_layers=513 must be at most 512"):
        CASE["InformerModel"].model(replica_layers=(1, 513))


def test_sizes_that_are_too_large_together_name_what_was_asked_for():
    with pytest.raises(ValueError, match=r"LMUFormer\w* cannot be built with .*'memory_order': 16777216"):
        CASE["LMUFormerModel"].model(memory_order=LARGEST)


SERIES = make_data(1, ()).series
CALLS = [
    ("fit", {"series": []}, "series must be one or several series, not an empty list"),
    ("fit", {"series": None}, "series must be one or several TimeSeries, not of type NoneType"),
    ("fit", {"series": (one for one in [SERIES])}, "series must be one or several TimeSeries, not of type generator"),
    ("fit", {"series": pd.DataFrame({"y": [1.0]})}, "not of type DataFrame; make one by TimeSeries.from_dataframe("),
    ("fit", {"series": np.zeros(60)}, "not of type ndarray; make one by TimeSeries.from_values("),
    ("fit", {"series": pd.Series([1.0])}, "not of type Series; make one by TimeSeries.from_series("),
    ("fit", {"series": "sales.csv"}, "series must be one or several TimeSeries, not of type str"),
    ("fit", {"series": {"a": SERIES}}, "series must be one or several TimeSeries, not of type dict"),
    ("fit", {"series": [SERIES, None]}, "series 1 must be a TimeSeries, not of type NoneType"),
    ("fit", {"series": SERIES, "past_covariates": []}, "past_covariates must be one or several series, not an empty"),
    ("fit", {"series": SERIES, "future_covariates": 3}, "future_covariates must be one or several TimeSeries, not of"),
    ("fit", {"series": SERIES, "val_series": [3]}, "val_series 0 must be a TimeSeries, not of type int"),
    ("fit", {"series": SERIES, "sample_weight": "cubic"}, "sample_weight='cubic' must be one of ['linear', 'expone"),
    ("fit", {"series": SERIES, "epochs": 0.5}, "epochs=0.5 must be an integer of at least 0"),
    ("fit", {"series": SERIES, "stride": 0}, "stride=0 must be an integer of at least 1"),
    ("fit", {"series": SERIES, "max_samples_per_ts": 0}, "max_samples_per_ts=0 must be an integer of at least 1"),
    ("predict", {"n": 0}, "n=0 must be an integer of at least 1"),
    ("predict", {"n": 2.0}, "n=2.0 must be an integer of at least 1"),
    ("predict", {"n": 2, "series": []}, "series must be one or several series, not an empty list"),
    ("predict", {"n": 2, "num_samples": None}, "num_samples=None must be an integer of at least 1"),
    ("predict", {"n": 2, "batch_size": 0}, "batch_size=0 must be an integer of at least 1"),
    ("predict", {"n": 2, "roll_size": 0.5}, "roll_size=0.5 must be an integer of at least 1"),
    ("historical_forecasts", {"series": iter([SERIES])}, "series must be one or several TimeSeries, not of type list"),
    ("historical_forecasts", {"series": SERIES, "stride": 0}, "stride=0 must be an integer of at least 1"),
    ("backtest", {"series": SERIES, "forecast_horizon": 0.5}, "forecast_horizon=0.5 must be an integer of at least 1"),
]


@pytest.fixture(scope="module")
def fitted():
    return CASE["ITransformerModel"].model().fit(SERIES)


@pytest.mark.parametrize(("method", "arguments", "message"), CALLS, ids=as_id)
def test_a_bad_call_is_refused_by_name(fitted, method, arguments, message):
    retrain = {"retrain": False} if method in ("historical_forecasts", "backtest") else {}
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(fitted, method)(**arguments, **retrain)


@pytest.mark.parametrize("method", ["fit", "predict", "historical_forecasts"])
def test_a_misspelt_argument_gets_a_suggestion(fitted, method):
    with pytest.raises(
        TypeError, match=exactly(f"futur_covariates is no argument of {method}; did you mean 'future_covariates'?")
    ):
        getattr(fitted, method)(series=SERIES, futur_covariates=SERIES, **{"predict": {"n": 2}}.get(method, {}))


@pytest.mark.parametrize("call", [{"n": 2}, {"n": 2, "series": SERIES}, {"series": SERIES, "retrain": False}])
def test_a_forecast_before_fit_is_refused_in_one_line(call):
    model = CASE["ITransformerModel"].model()
    forecast = model.predict if "n" in call else model.historical_forecasts
    with pytest.raises(
        ValueError, match=exactly("ITransformerModel must be fitted before it can forecast: call fit(series) first")
    ):
        forecast(**call)


def test_a_misspelt_argument_of_the_trainer_gets_a_suggestion():
    with pytest.raises(ValueError, match="Lightning's Trainer; did you mean 'accelerator'"):
        ITransformerModel(24, 5, pl_trainer_kwargs={"acelerator": "cpu"})


def test_what_is_read_as_it_is_asked_for_is_a_sequence():
    class Lazy:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            if i >= 2:
                raise IndexError(i)
            return SERIES

    forecasts = CASE["ITransformerModel"].model().fit(Lazy()).predict(2, Lazy())
    assert len(forecasts) == 2


def test_the_signatures_are_those_of_darts():
    names = inspect.signature(TemporalFusionTransformerModel.predict).parameters
    assert {"n", "series", "mc_dropout", "random_state"} <= names.keys()
