"""A forecast is that of the Darts model on the same data with the same seed, whatever the table it comes in."""

import numpy as np
import pandas as pd
import pytest
import torch
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression

from darts_tsformers.sktime import (
    FEDformerForecaster,
    ITransformerForecaster,
    PatchTSTForecaster,
    TemporalFusionTransformerForecaster,
)
from tests.sktime.cases import (
    LENGTH,
    QUANTILES,
    H,
    L,
    as_darts,
    darts_model,
    make_panel,
    make_X,
    make_y,
    months,
    one_of_each_kind,
    point_forecast,
    tiny,
)


def same(ours: pd.DataFrame, theirs: np.ndarray) -> None:
    np.testing.assert_array_equal(ours.to_numpy(), theirs.reshape(ours.shape).astype(float))


@one_of_each_kind
def test_two_variables_with_exogenous_data(forecaster_class):
    y, X = make_y(n_variables=2), make_X()
    forecaster = tiny(forecaster_class)
    ours = forecaster.fit(y, X=X[:LENGTH]).predict([1, 2, 3], X=X[LENGTH:])
    model = darts_model(forecaster).fit(as_darts(y), future_covariates=as_darts(X))
    same(ours, point_forecast(forecaster, model, 3, future_covariates=as_darts(X))[0])
    pd.testing.assert_index_equal(ours.index, months(LENGTH + 3)[LENGTH:])


@one_of_each_kind
def test_quantiles(forecaster_class):
    y = make_y()
    forecaster = tiny(forecaster_class, quantiles=QUANTILES, num_samples=11)
    ours = forecaster.fit(y, fh=[1, 3]).predict_quantiles(alpha=[0.9, 0.3])
    assert list(ours.columns) == [("y0", 0.9), ("y0", 0.3)]
    draws_paths = forecaster.model_class.network_class.draws_paths
    learns = {} if draws_paths else {"likelihood": QuantileRegression(list(QUANTILES))}
    model = darts_model(forecaster, **learns).fit(as_darts(y))
    if forecaster.model_class.needs_paths():
        paths = model.predict(3, num_samples=11, random_state=0).all_values()[[0, 2], 0]
        theirs, median = np.quantile(paths, [0.9, 0.3], axis=-1).T, np.median(paths, axis=-1)
    else:
        learnt = np.sort(model.predict(3, predict_likelihood_parameters=True).values()[[0, 2]], axis=-1)
        theirs = np.stack([learnt[:, 2], (learnt[:, 0] + learnt[:, 1]) / 2], axis=-1)
        median = learnt[:, 1]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    np.testing.assert_allclose(forecaster.predict().iloc[:, 0], median, rtol=1e-6)
    interval = forecaster.predict_interval(coverage=0.8)["y0", 0.8]
    np.testing.assert_allclose(interval["upper"], ours["y0", 0.9])
    assert (interval["lower"] <= interval["upper"]).all()


def test_quantiles_of_several_variables_stay_apart():
    y = make_y(n_variables=2)
    y["y1"] += 1000
    forecast = tiny(PatchTSTForecaster, quantiles=QUANTILES).fit(y).predict_interval([1, 2], coverage=0.8)
    assert (forecast["y0"] < 100).all(axis=None)
    assert (forecast["y1"] > 900).all(axis=None)


@pytest.mark.parametrize(
    "how",
    [{"quantiles": QUANTILES}, {"model_kwargs": {"likelihood": GaussianLikelihood()}}],
    ids=["far", "gaussian"],
)
def test_sampled_quantiles_are_those_of_darts_samples(how):
    y, n = make_y(), H + 2
    forecaster = tiny(PatchTSTForecaster, num_samples=13, **how)
    ours = forecaster.fit(y).predict_quantiles(range(1, n + 1), alpha=[0.25, 0.75])
    likelihood = QuantileRegression(list(QUANTILES)) if "quantiles" in how else GaussianLikelihood()
    model = darts_model(forecaster, likelihood=likelihood).fit(as_darts(y))
    paths = model.predict(2 * H, num_samples=13, random_state=0).all_values()[:n, 0]
    np.testing.assert_allclose(ours, np.quantile(paths, [0.25, 0.75], axis=-1).T, rtol=1e-6)


def test_further_ahead_than_the_output_chunk_it_goes_on_with_its_own_forecast():
    y, X = make_y(), make_X()
    n = 2 * H + 2
    forecaster = tiny(PatchTSTForecaster).fit(y, X=X[:LENGTH])
    ours = forecaster.predict([1, n], X=X[LENGTH : LENGTH + n])
    model = darts_model(forecaster).fit(as_darts(y), future_covariates=as_darts(X))
    held = pd.concat([X[: LENGTH + n], X.iloc[[LENGTH + n - 1]]])
    same(ours, model.predict(3 * H, future_covariates=as_darts(held)).values()[[0, n - 1]])


def test_the_forecast_of_a_step_does_not_depend_on_what_else_is_asked_for():
    forecaster = tiny(PatchTSTForecaster).fit(make_y())
    far = forecaster.predict(range(1, 3 * H))
    for n in range(1, 3 * H - 1):
        pd.testing.assert_frame_equal(forecaster.predict(range(1, n + 1)), far[:n])


def test_rows_of_exogenous_data_beyond_the_horizon_are_used_where_given_and_else_repeat_the_last():
    y, X = make_y(), make_X()
    forecaster = tiny(TemporalFusionTransformerForecaster).fit(y, X=X[:LENGTH], fh=[1])
    model = darts_model(forecaster).fit(as_darts(y), future_covariates=as_darts(X))
    given = forecaster.predict(X=X[LENGTH : LENGTH + H])
    same(given, model.predict(1, future_covariates=as_darts(X)).values())
    held = pd.concat([X[: LENGTH + 1], X.iloc[[LENGTH, LENGTH]]])
    alone = forecaster.predict(X=X[LENGTH : LENGTH + 1])
    same(alone, model.predict(1, future_covariates=as_darts(held)).values())


def test_the_known_future_drives_the_forecast():
    rng = np.random.default_rng(2)
    n = 97
    X = pd.DataFrame({"promotion": rng.integers(0, 2, n + H).astype(float)}, months(n + H))
    y = pd.DataFrame({"sales": 10 + 5 * X["promotion"][:n] + rng.normal(scale=0.1, size=n)})
    quick = {"n_epochs": 6, "batch_size": 8, "dropout": 0.0, "model_kwargs": {"optimizer_kwargs": {"lr": 0.03}}}
    forecaster = tiny(PatchTSTForecaster, **quick).fit(y, X=X[:n], fh=[1, 2, 3])
    for future in ([1.0, 0.0, 1.0], [0.0, 1.0, 1.0]):
        forecast = forecaster.predict(X=pd.DataFrame({"promotion": future}, X.index[n:]))["sales"]
        np.testing.assert_allclose(forecast, 10 + 5 * np.array(future), atol=2)


def test_columns_of_exogenous_data_may_come_in_another_order():
    y, X = make_y(), make_X()
    forecaster = tiny(PatchTSTForecaster).fit(y, X=X[:LENGTH], fh=[1, 2])
    pd.testing.assert_frame_equal(forecaster.predict(X=X[LENGTH:]), forecaster.predict(X=X[LENGTH:][X.columns[::-1]]))


def test_exogenous_data_given_to_fit_beyond_the_cutoff_are_known_to_predict():
    y, X = make_y(), make_X()
    forecaster = tiny(PatchTSTForecaster).fit(y, X=X, fh=[1, 2])
    pd.testing.assert_frame_equal(forecaster.predict(), forecaster.predict(X=X[LENGTH:]))


@one_of_each_kind
def test_a_panel_trains_one_network_that_forecasts_each_instance(forecaster_class):
    lengths = {"south": 29, "north": 23, "east": 37}
    panel = make_panel(lengths)
    forecaster = tiny(forecaster_class)
    ours = forecaster.fit(panel).predict([2, 3])
    series = [as_darts(panel.loc[name]) for name in lengths]
    theirs = point_forecast(forecaster, darts_model(forecaster).fit(series), 3, series=series)
    assert list(ours.index.get_level_values(0).unique()) == list(lengths)
    for name, forecast in zip(lengths, theirs, strict=True):
        np.testing.assert_allclose(ours.loc[name], forecast[1:], rtol=1e-5)
        assert ours.loc[name].index[0] == panel.loc[name].index[-1] + 2


def test_one_absolute_horizon_lies_at_other_steps_of_each_instance():
    panel = make_panel({"south": 29, "north": 31})
    forecaster = tiny(PatchTSTForecaster).fit(panel)
    stamps = months(33)[31:]
    ours = forecaster.predict(stamps)
    for name, ahead in {"south": [3, 4], "north": [1, 2]}.items():
        pd.testing.assert_index_equal(ours.loc[name].index, stamps, check_names=False)
        assert ours.loc[name, "y0"].tolist() == forecaster.predict(ahead).loc[name, "y0"].tolist()


@pytest.mark.parametrize("code", ["D", "W-WED", "MS", "ME", "B", "2h"])
def test_an_absolute_horizon_of_a_panel_of_time_stamps(code):
    stamps = pd.date_range("2001-03-05", periods=36, freq=code)
    parts = {"north": stamps[3:29], "south": stamps[:29]}
    panel = pd.concat({name: make_y(len(own), index=own) for name, own in parts.items()}, names=["store", "day"])
    expected = tiny(PatchTSTForecaster).fit(panel).predict([2, 3])
    assert expected.loc["north"].index.tolist() == stamps[30:32].tolist()
    for fh in (stamps[30:32], pd.DatetimeIndex(list(stamps[30:32]))):
        forecaster = tiny(PatchTSTForecaster).fit(panel, fh=fh)
        pd.testing.assert_frame_equal(forecaster.predict(), expected)
        pd.testing.assert_frame_equal(tiny(PatchTSTForecaster).fit(panel).predict(fh), expected)
    later = make_y(1, index=pd.MultiIndex.from_tuples([("south", stamps[29])], names=panel.index.names))
    updated = forecaster.update(later, update_params=False).predict()
    pd.testing.assert_index_equal(updated.index, expected.index)


def test_exogenous_data_without_columns_are_none():
    y, X = make_y(), make_X()[[]]
    ours = tiny(PatchTSTForecaster).fit(y, X=X[:LENGTH], fh=[1]).predict(X=X[LENGTH:])
    pd.testing.assert_frame_equal(ours, tiny(PatchTSTForecaster).fit(y, fh=[1]).predict())


def test_panels_take_the_exogenous_data_of_each_instance():
    panel = make_panel({"south": 29, "north": 23})
    X = pd.concat({name: make_X(40, seed=i) for i, name in enumerate(["south", "north"])}, names=panel.index.names)
    past = X[X.index.isin(panel.index)]
    forecaster = tiny(PatchTSTForecaster, n_epochs=3).fit(panel, X=past)
    ours = forecaster.predict([1, 2, 3], X=X)
    series = [as_darts(panel.loc[name]) for name in ("south", "north")]
    covariates = [as_darts(X.loc[name]) for name in ("south", "north")]
    model = darts_model(forecaster).fit(series, future_covariates=covariates)
    for name, forecast in zip(("south", "north"), model.predict(3, series, future_covariates=covariates), strict=True):
        np.testing.assert_allclose(ours.loc[name], forecast.values(), rtol=1e-5)


def test_a_hierarchy_keeps_its_levels():
    names = [(region, store) for region in "ab" for store in "xyz"]
    parts = {name: make_y(19, seed=i) for i, name in enumerate(names)}
    hierarchy = pd.concat(parts, names=["region", "store", "month"])
    forecaster = tiny(PatchTSTForecaster).fit(hierarchy)
    ours = forecaster.predict([1, 2])
    assert ours.index.names == hierarchy.index.names
    assert list(ours.index.droplevel(-1).unique()) == names
    model = darts_model(forecaster).fit([as_darts(part) for part in parts.values()])
    np.testing.assert_allclose(ours.loc[("b", "y")], model.predict(2, as_darts(parts["b", "y"])).values(), rtol=1e-5)


@one_of_each_kind
def test_gaps_count_as_not_observed(forecaster_class):
    y, X = make_y(), make_X()
    y.iloc[[3, LENGTH - 2]] = np.nan
    X.iloc[[5, LENGTH - 1], 0] = np.nan
    forecaster = tiny(forecaster_class)
    ours = forecaster.fit(y, X=X[:LENGTH]).predict([1, 2], X=X[LENGTH:])
    model = darts_model(forecaster).fit(as_darts(y), future_covariates=as_darts(X))
    (theirs,) = point_forecast(forecaster, model, 2, future_covariates=as_darts(X))
    assert np.isfinite(theirs).all()
    same(ours, theirs)


def test_a_step_without_a_row_is_a_gap():
    with_nan = make_y()
    with_nan.iloc[[8, 9]] = np.nan
    forecaster = tiny(PatchTSTForecaster)
    expected = forecaster.fit(with_nan).predict([1, 2])
    pd.testing.assert_frame_equal(forecaster.fit(with_nan.dropna()).predict([1, 2]), expected)


def test_a_short_instance_is_forecast_from_what_there_is():
    panel = make_panel({"long": 31, "short": 4})
    forecaster = tiny(ITransformerForecaster, min_input_chunk_length=3)
    ours = forecaster.fit(panel).predict([1])
    model = darts_model(forecaster).fit([as_darts(panel.loc["long"])])
    np.testing.assert_allclose(ours.loc["short"], model.predict(1, as_darts(panel.loc["short"])).values(), rtol=1e-5)


def test_options_of_darts_reach_the_model_and_are_left_as_they_are():
    options = {"optimizer_kwargs": {"lr": 0.0}, "pl_trainer_kwargs": {"accelerator": "cpu"}}
    forecaster = tiny(FEDformerForecaster, model_kwargs=options).fit(make_y())
    assert forecaster.model_.darts.model_params["optimizer_kwargs"] == {"lr": 0.0}
    assert options == {"optimizer_kwargs": {"lr": 0.0}, "pl_trainer_kwargs": {"accelerator": "cpu"}}


@pytest.mark.filterwarnings("ignore:.*could not find the monitored key:UserWarning")  # there is no validation
def test_logs_and_checkpoints_that_are_asked_for_are_written(tmp_path):
    options = {"log_tensorboard": True, "save_checkpoints": True, "work_dir": str(tmp_path), "model_name": "run"}
    y = make_y()
    ours = tiny(PatchTSTForecaster, model_kwargs=options).fit(y).predict([1])
    pd.testing.assert_frame_equal(ours, tiny(PatchTSTForecaster).fit(y).predict([1]))
    assert list(tmp_path.glob("run/checkpoints/*.ckpt"))
    assert list(tmp_path.glob("run/logs/events*"))


def global_state() -> tuple[list[int], int, list[int]]:
    _, key, position, *_ = np.random.get_state()  # noqa: NPY002
    return key.tolist(), position, torch.get_rng_state().tolist()


@pytest.mark.parametrize("random_state", [3, None])
def test_no_global_generator_is_disturbed_and_forecasts_are_the_same_each_time(random_state):
    before = global_state()
    forecaster = tiny(PatchTSTForecaster, quantiles=QUANTILES, random_state=random_state).fit(make_y(), fh=range(1, 7))
    first, second = forecaster.predict_interval(coverage=0.5), forecaster.predict_interval(coverage=0.5)
    assert global_state() == before
    pd.testing.assert_frame_equal(first, second)


def test_a_seed_makes_training_repeatable_and_none_does_not():
    y = make_y()
    seeded, again = (tiny(PatchTSTForecaster).fit(y).predict([1]) for _ in range(2))
    pd.testing.assert_frame_equal(seeded, again)
    free, other = (tiny(PatchTSTForecaster, random_state=None).fit(y).predict([1]).iloc[0, 0] for _ in range(2))
    assert free != other


def test_the_look_back_is_the_input_chunk():
    y = make_y()
    forecaster = tiny(PatchTSTForecaster, use_instance_norm=True).fit(y)
    expected = forecaster.predict([1])
    old = y.copy()
    old.iloc[: LENGTH - L] += 50
    forecaster.update(old, update_params=False)
    pd.testing.assert_frame_equal(forecaster.predict([1]), expected)
