"""The recipes of the papers: whole, plain to call, separate, and kept by all that Darts does with a model."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

import darts_tsformers
from darts_tsformers.adapter.calendar import hourly_marks, minutely_marks
from darts_tsformers.adapter.callbacks import BestWeights, ClipEachGradient
from darts_tsformers.adapter.schedules import ConstantThenDecay, OneCycle
from darts_tsformers.models import TSFormerModel
from tests.contracts.cases import CASE, TRAINER
from tests.helpers import Rates

UNPUBLISHED = {
    *("AarenModel", "AutoTCLModel", "ChimeraModel", "GPDModel", "LMUFormerModel", "MoiraiMoEModel", "ReGENNModel"),
    "TimeMoEModel",
}
"""Models whose papers name no sizes for forecasting one data set."""
IMPATIENT = {"TSDiffModel"}
"""Models that are trained for a number of epochs, whatever the validation says."""
MODELS = {name: getattr(darts_tsformers, name) for name in darts_tsformers.__all__ if name not in UNPUBLISHED}
RECIPES = [(name, dataset) for name, model in MODELS.items() for dataset in model.paper_configs]
every_recipe = pytest.mark.parametrize(("name", "dataset"), RECIPES, ids=lambda x: x)
THUML = ["ETTh1", "ETTh2", "ETTm1", "ETTm2", "weather", "exchange", "illness", "electricity", "traffic"]
HALVED = (ConstantThenDecay, {"gamma": 0.5, "n_constant": 2})
SLOW = (ConstantThenDecay, {"gamma": 0.9, "n_constant": 4})
FALLING = (LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 100})
PUBLISHED: dict[str, tuple[Any, ...]] = {
    # look-back, horizon, d_model, batch, rate, epochs, patience, schedule
    "ITransformerModel-ETTh1": (96, 96, 256, 32, 1e-4, 10, 3, HALVED),
    "ITransformerModel-ETTm2": (96, 96, 128, 32, 1e-4, 10, 3, HALVED),
    "ITransformerModel-traffic": (96, 96, 512, 16, 1e-3, 10, 3, HALVED),
    "PatchTSMixerModel-ETTh1": (512, 96, 48, 32, 1e-4, 100, 5, FALLING),
    "PatchTSTModel-ETTh1": (336, 96, 16, 128, 1e-4, 100, 100, SLOW),
    "PatchTSTModel-weather": (336, 96, 128, 128, 1e-4, 100, 20, SLOW),
    "PatchTSTModel-ETTm2": (336, 96, 128, 128, 1e-4, 100, 20, (OneCycle, {"pct_start": 0.4})),
    "PatchTSTModel-traffic": (336, 96, 128, 24, 1e-4, 100, 10, (OneCycle, {"pct_start": 0.2})),
    "PatchTSTModel-illness": (104, 24, 16, 16, 2.5e-3, 100, 100, (None, None)),
    "SpaceTimeModel-ETTh1": (336, 720, 128, 50, 1e-3, 500, 20, (CosineAnnealingLR, {"T_max": 300, "eta_min": 1e-5})),
    "GPHTModel-exchange": (336, 48, 512, 32, 1e-5, 10, 3, HALVED),
    "GPHTModel-traffic": (336, 48, 512, 8, 5e-5, 10, 3, HALVED),
    "InformerModel-ETTm1": (672, 24, 512, 32, 1e-4, 6, 3, HALVED),
    "AutoformerModel-weather": (96, 96, 512, 32, 1e-4, 2, 3, HALVED),
    "FEDformerModel-illness": (36, 24, 512, 32, 1e-4, 10, 3, HALVED),
    "TemporalFusionTransformerModel-electricity": (168, 24, 160, 64, 1e-3, 100, 5, (None, None)),
}


@every_recipe
def test_a_recipe_is_a_dictionary_of_arguments(name, dataset):
    config = MODELS[name].paper_config(dataset)
    assert config.keys() <= inspect.signature(MODELS[name]).parameters.keys()
    made = MODELS[name](**config)
    assert isinstance(made, TSFormerModel)
    assert (made.input_chunk_length, made.batch_size) == (config["input_chunk_length"], config["batch_size"])
    assert sum(isinstance(one, BestWeights) for one in made.trainer_params["callbacks"]) == (name not in IMPATIENT)


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_a_recipe_has_the_published_values(recipe):
    config = MODELS[recipe.split("-")[0]].paper_config(recipe.split("-")[1])
    names = ("input_chunk_length", "output_chunk_length", "d_model", "batch_size")
    found = (
        *(config[name] for name in names),
        config["optimizer_kwargs"]["lr"],
        config["n_epochs"],
        config["pl_trainer_kwargs"]["callbacks"][0].patience,
        (config.get("lr_scheduler_cls"), config.get("lr_scheduler_kwargs")),
    )
    assert found == PUBLISHED[recipe]


def test_every_model_has_a_recipe_and_the_usual_data_sets_have_one():
    assert all(model.paper_configs for model in MODELS.values())
    for name in ("AutoformerModel", "FEDformerModel"):
        assert sorted(MODELS[name].paper_configs) == sorted(THUML)
    assert set(THUML) - MODELS["ITransformerModel"].paper_configs.keys() == {"illness"}
    assert set(THUML) - MODELS["PatchTSTModel"].paper_configs.keys() == {"exchange"}


def test_tft_stops_and_clips_as_its_authors_do():
    config = MODELS["TemporalFusionTransformerModel"].paper_config("electricity")
    best, clip = config["pl_trainer_kwargs"]["callbacks"]
    assert (best.min_delta, type(clip), clip.max_norm) == (1e-4, ClipEachGradient, 0.01)


def test_an_unknown_data_set_is_named():
    with pytest.raises(ValueError, match=r"dataset='ETTx' must be one of \['ETTh1'"):
        MODELS["ITransformerModel"].paper_config("ETTx")


def mutable(value: Any) -> set[int]:
    """Return the identities of all that two models could change for each other."""
    if isinstance(value, dict):
        return {id(value)}.union(*map(mutable, value.values()))
    if isinstance(value, list | tuple):
        return ({id(value)} if isinstance(value, list) else set()).union(*map(mutable, value))
    return {id(value)} if hasattr(value, "__dict__") and not inspect.isclass(value) and not callable(value) else set()


@every_recipe
def test_two_recipes_share_nothing(name, dataset):
    first, second = (MODELS[name].paper_config(dataset) for _ in range(2))
    assert len(mutable(first)) >= 3
    assert not mutable(first) & mutable(second)


SMALL = {"input_chunk_length": 13, "output_chunk_length": 5, "n_epochs": 3, "batch_size": 16, "random_state": 7}
ONE_EACH = {name: next(iter(model.paper_configs)) for name, model in MODELS.items()} | {"PatchTSTModel": "ETTm1"}


def series(n: int = 53) -> TimeSeries:
    hours = pd.date_range("2001-03-05", periods=n, freq="h")
    return TimeSeries(hours, np.random.default_rng(0).normal(size=(n, 1)).cumsum(axis=0).astype("float32") / 3)


def small(name: str, **overrides: Any) -> dict[str, Any]:
    """Return the recipe of a model, with sizes that train in a blink."""
    config = MODELS[name].paper_config(ONE_EACH[name])
    config["pl_trainer_kwargs"] |= TRAINER
    label = {"label_length": 5} if "label_length" in config else {}
    return config | label | CASE[name].arguments | SMALL | overrides


def fitted(name: str) -> TSFormerModel:
    model = MODELS[name](**small(name))
    return model.fit(series()[:40], val_series=series()[20:], verbose=False)


def one_forecast(model: TSFormerModel) -> np.ndarray:
    return model.predict(5, predict_likelihood_parameters=model.likelihood is not None, verbose=False).values()


LOADED = """
import sys, warnings, logging
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
from pathlib import Path
import numpy as np
from darts_tsformers.models import TSFormerModel
found = {}
for path in Path(sys.argv[1]).glob("*.pt"):
    model = TSFormerModel.load(path)
    best = model.trainer_params["callbacks"][0]
    assert type(best).__name__ == "BestWeights" and best.epoch == 0, best
    parameters = model.likelihood is not None
    found[path.stem] = model.predict(5, predict_likelihood_parameters=parameters, verbose=False).values()
np.savez(Path(sys.argv[1], "found.npz"), **found)
"""


def test_models_with_a_recipe_are_saved_and_loaded_in_a_fresh_process(tmp_path):
    expected = {}
    patient = MODELS.keys() - IMPATIENT
    for name in patient:
        model = fitted(name)
        expected[name] = one_forecast(model)
        model.save(tmp_path / f"{name}.pt")
    command = [sys.executable, "-c", LOADED, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as found:
        assert set(found) == patient
        for name, values in found.items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-6, err_msg=name)


def test_the_file_of_a_model_has_no_second_copy_of_its_weights(tmp_path):
    model = fitted("ITransformerModel")
    model.save(tmp_path / "model.pt")
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.model.parameters())
    without = MODELS["ITransformerModel"](**small("ITransformerModel", pl_trainer_kwargs=TRAINER))
    without.fit(series()[:40], val_series=series()[20:], verbose=False).save(tmp_path / "without.pt")
    sizes = [(tmp_path / name).stat().st_size for name in ("model.pt", "without.pt")]
    assert sizes[0] - sizes[1] < weights / 4


def test_a_clone_and_the_windows_of_a_backtest_train_by_the_recipe():
    model = fitted("PatchTSTModel")
    clone = model.untrained_model()
    assert clone.trainer_params["callbacks"][0] is not model.trainer_params["callbacks"][0]
    np.testing.assert_array_equal(one_forecast(clone.fit(series()[:40], val_series=series()[20:])), one_forecast(model))
    forecasts = model.historical_forecasts(series(), start=49, retrain=True, forecast_horizon=2, verbose=False)
    expected = MODELS["PatchTSTModel"](**small("PatchTSTModel")).fit(series()[:49]).predict(2).values()
    np.testing.assert_allclose(forecasts[0].values(), expected[-1:], rtol=1e-5)


def test_a_grid_is_searched_with_a_recipe():
    grid = {argument: [value] for argument, value in small("ITransformerModel").items()} | {"d_model": [8, 16]}
    model, chosen, _ = MODELS["ITransformerModel"].gridsearch(grid, series()[:40], val_series=series()[40:])
    assert chosen["d_model"] in (8, 16)
    assert isinstance(model.trainer_params["callbacks"][0], BestWeights)


def test_a_recipe_trains_by_its_schedule():
    seen = Rates()
    config = small("ITransformerModel", n_epochs=4)
    config["pl_trainer_kwargs"]["callbacks"].append(seen)
    MODELS["ITransformerModel"](**config).fit(series())
    assert seen.of_epochs == pytest.approx([1e-4, 1e-4, 5e-5, 2.5e-5])


@pytest.mark.parametrize("marks", [hourly_marks, minutely_marks])
def test_the_marks_of_the_calendar(marks):
    index = pd.date_range("2023-12-30 22:31", periods=400, freq="7h13min")
    expected = [
        [*([t.minute / 59] * (marks is minutely_marks)), t.hour / 23, t.weekday() / 6, (t.day - 1) / 30,
         (t.timetuple().tm_yday - 1) / 365]
        for t in index
    ]  # fmt: skip
    np.testing.assert_allclose(marks(index), np.array(expected) - 0.5, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["InformerModel", "AutoformerModel", "FEDformerModel"])
def test_a_series_without_dates_is_refused_until_the_calendar_is_taken_out(name):
    numbered = TimeSeries.from_values(series().values())
    message = r"the series has no dates: its index is one of RangeIndex; give it dates, or .* add_encoders=None"
    with pytest.raises(ValueError, match=message):
        MODELS[name](**small(name)).fit(numbered)
    model = MODELS[name](**small(name) | {"add_encoders": None}).fit(numbered)
    assert np.isfinite(model.predict(5).values()).all()
