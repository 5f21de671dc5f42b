"""Units decide nothing: those of covariates, of statics, of the target, nor those that a loss is in."""

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from darts.utils.likelihood_models.torch import (
    ExponentialLikelihood,
    GaussianLikelihood,
    LogNormalLikelihood,
    PoissonLikelihood,
    QuantileRegression,
)

from darts_tsformers.adapter.training.lessons import Part
from darts_tsformers.adapter.training.loss import in_unit, loss_has_unit
from tests.contracts.cases import CASE, H, L
from tests.helpers import draw

N = 27
NAMES = ["PatchTSTModel", "ITransformerModel", "TemporalFusionTransformerModel", "LogSparseTransformerModel"]
every_kind = pytest.mark.parametrize("name", NAMES)
CHANGES = [(1e-30, 0.0), (1.0, 1e6), (250.0, -1e5), (1e30, 0.0)]


def wave(unit: float = 1.0, offset: float = 0.0, *, n: int = N, seed: int = 0, dtype: str = "float64") -> TimeSeries:
    steps = np.arange(n)[:, None]
    values = np.sin(steps * 2 * np.pi / 7 + np.arange(2)) + 0.2 * np.random.default_rng(seed).normal(size=(n, 2))
    return TimeSeries(pd.date_range("2001-01-01", periods=n), (unit * values + offset).astype(dtype))


def given(unit: float = 1.0, offset: float = 0.0) -> dict[str, list[TimeSeries]]:
    """Return two series, covariates of both kinds and statics in some unit."""
    both = [wave(seed=seed) for seed in (0, 1)]
    static = [pd.DataFrame({"size": [unit * size + offset, unit * (size + 1) + offset]}) for size in (3.0, 11.0)]
    return {
        "series": [one.with_static_covariates(size) for one, size in zip(both, static, strict=True)],
        "past_covariates": [wave(unit, offset, seed=seed) for seed in (2, 3)],
        "future_covariates": [wave(unit, offset, n=N + 2 * H, seed=seed) for seed in (4, 5)],
    }


def fitted(name: str, data: dict[str, list[TimeSeries]], **arguments):
    return CASE[name].model(optimizer_kwargs={"lr": 1e-2}, **{"dropout": 0.0, **arguments}).fit(**data)


def forecast(model, data: dict[str, list[TimeSeries]]) -> np.ndarray:
    return np.stack([one.values() for one in model.predict(H, **data, verbose=False)])


@every_kind
def test_no_unit_and_no_offset_of_covariates_and_statics_changes_a_forecast(name):
    expected = forecast(fitted(name, given()), given())
    for unit, offset in CHANGES:
        changed = given(unit, offset)
        np.testing.assert_allclose(forecast(fitted(name, changed), changed), expected, atol=1e-4, err_msg=f"{unit=}")


@every_kind
@pytest.mark.parametrize(
    ("norm", "likelihood"),
    [(True, None), (False, None), (True, GaussianLikelihood()), (False, QuantileRegression([0.1, 0.5, 0.9]))],
    ids=["norm-point", "point", "norm-gaussian", "quantiles"],
)
def test_a_model_learns_alike_in_any_unit_of_the_target(name, norm, likelihood):
    """Powers of two round nothing, but for a Gaussian's scale.

    PatchTST's biases before a batch norm have no gradient but rounding, of which Adam makes whole steps. In single
    precision they move forecasts by .03, in double precision by 1e-9.
    """
    dtype = "float64" if isinstance(likelihood, GaussianLikelihood) else "float32"

    def found(unit: float) -> tuple[np.ndarray, float]:
        data = {"series": wave(unit, dtype=dtype)}
        model = fitted(name, data, use_instance_norm=norm, likelihood=likelihood)
        made = model.predict(H, predict_likelihood_parameters=likelihood is not None, verbose=False)
        return made.values() / unit, model.model.loss_history[0][0]

    learnt, loss = found(1.0)
    for unit in (2.0**-100, 2.0**100):
        again, loss_again = found(unit)
        np.testing.assert_allclose(again, learnt, atol=1e-3)
        assert loss_again == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("unit", [1e-30, 1e-9, 1e9, 1e30])
def test_a_forecast_follows_the_unit_of_the_target(unit):
    model = fitted("PatchTSTModel", {"series": wave(dtype="float32")})
    one, other = wave(dtype="float32"), wave(unit, dtype="float32")
    made, follows = (forecast(model, {"series": [each]}) for each in (one, other))
    np.testing.assert_allclose(follows / unit, made, atol=1e-5)


@pytest.mark.parametrize("norm", [True, False])
def test_a_level_above_the_season_costs_nothing(norm):
    def found(level: float) -> np.ndarray:
        data = {"series": [wave(1.0, level, seed=seed) for seed in (0, 1)]}
        return forecast(fitted("PatchTSTModel", data, use_instance_norm=norm), data) - level

    np.testing.assert_allclose(found(1e8), found(0.0), atol=1e-3)


def test_components_of_any_unit_are_learnt_alike():
    def found(*units: float) -> np.ndarray:
        data = {"series": [wave(seed=seed) for seed in (0, 1)]}
        data["series"] = [one.with_values(one.values() * units) for one in data["series"]]
        return forecast(fitted("ITransformerModel", data), data) / units

    np.testing.assert_allclose(found(1e-9, 1e12), found(1.0, 1.0), atol=1e-5)


def test_units_are_those_of_the_training_part_by_what_was_observed():
    data = given(100.0, 5.0)
    values = data["past_covariates"][0].values(copy=True)
    values[3:9] = np.nan
    data["past_covariates"][0] = data["past_covariates"][0].with_values(values)
    forecaster = fitted("PatchTSTModel", data).model.forecaster
    past = np.concatenate([one.values() for one in data["past_covariates"]])
    future = np.concatenate([one.values()[:N] for one in data["future_covariates"]])  # nothing after the series
    size = np.concatenate([one.static_covariates_values() for one in data["series"]])
    for unit, seen in (
        (forecaster.covariate_units.past, past),
        (forecaster.covariate_units.future, future),
        (forecaster.statics.unit, size),
    ):
        np.testing.assert_allclose(unit.level, np.nanmean(seen, axis=0))
        np.testing.assert_allclose(unit.spread, np.nanstd(seen, axis=0))


def test_what_was_constant_in_training_says_nothing_later():
    data, flat = given(), given()
    flat["future_covariates"] = [one.with_values(0 * one.values() + 2022) for one in flat["future_covariates"]]
    model = fitted("ITransformerModel", flat)
    expected = forecast(model, flat)
    flat["future_covariates"] = data["future_covariates"]
    np.testing.assert_array_equal(forecast(model, flat), expected)


def test_categories_are_left_as_they_are():
    static = pd.DataFrame({"shop": [0.0, 3.0], "size": [5.0, 9.0]})
    data = {"series": wave().with_static_covariates(static)}
    statics = fitted("TemporalFusionTransformerModel", data, categorical_embedding_sizes={"shop": 4})
    statics = statics.model.forecaster.statics
    features = statics(torch.tensor(static.to_numpy())[None]).detach()
    np.testing.assert_allclose(features[0, :, 0], [-1.0, 1.0])
    torch.testing.assert_close(features[0, :, 1:], statics.embeddings[0].weight[[0, 3]])


def test_units_stay_with_the_weights(tmp_path):
    data, other = given(), given(1000.0, 77.0)
    model = fitted("PatchTSTModel", data)
    expected, units = forecast(model, data), {k: v.clone() for k, v in model.model.state_dict().items() if "unit" in k}
    assert len(units) == 10
    model.save(tmp_path / "model.pt")
    loaded = type(model).load(tmp_path / "model.pt")
    borrowed = CASE["PatchTSTModel"].model(dropout=0.0, optimizer_kwargs={"lr": 1e-2})
    borrowed.load_weights(tmp_path / "model.pt")
    for one in (loaded, borrowed):
        np.testing.assert_array_equal(forecast(one, data), expected)
    for one in (model, loaded, borrowed):
        one.fit(**other, epochs=1)
        state = one.model.state_dict()
        assert all(torch.equal(state[name], unit) for name, unit in units.items())


def test_files_without_units_have_none():
    model = fitted("PatchTSTModel", given(1000.0, 77.0))
    state = {name: value for name, value in model.model.state_dict().items() if "unit" not in name}
    model.model.load_state_dict(state)
    for name, value in model.model.state_dict().items():
        if "unit" in name:
            assert torch.equal(value, torch.zeros_like(value) if "level" in name else torch.ones_like(value))


def test_components_that_are_drawn_have_one_unit():
    model = fitted("ITransformerModel", {"series": [wave()]}, train_variates=1)
    spread = model.model.loss_unit.spread
    assert spread[0] == spread[1]


def test_a_loss_is_measured_by_the_spread_within_the_series():
    data = {"series": [wave(3.0, 1e3 * seed, seed=seed) for seed in (0, 1)]}
    spread = np.sqrt(np.mean([one.values().var(axis=0) for one in data["series"]], axis=0))
    model = fitted("PatchTSTModel", data)
    np.testing.assert_allclose(model.model.loss_unit.spread, spread)
    counts = fitted("PatchTSTModel", {"series": [wave().map(np.exp)]}, likelihood=PoissonLikelihood())
    assert torch.equal(counts.model.loss_unit.spread, torch.ones(2, dtype=torch.float64))
    prior = fitted("PatchTSTModel", data, likelihood=GaussianLikelihood(prior_sigma=3.0))
    assert torch.equal(prior.model.loss_unit.spread, torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("likelihood", "shift"),
    [
        (None, None),
        (QuantileRegression([0.1, 0.5, 0.9]), None),
        (GaussianLikelihood(), -1),
        (LogNormalLikelihood(), -1),
        (ExponentialLikelihood(), -1),
    ],
    ids=["mse", "quantiles", "gaussian", "lognormal", "exponential"],
)
def test_a_loss_in_units_is_that_of_the_data_by_a_factor_or_a_shift(likelihood, shift):
    n = 1 if likelihood is None else likelihood.num_parameters
    raw, target, unit = draw(2, 5, 3, n, dtype=torch.float64), draw(2, 5, 3, seed=1, dtype=torch.float64).exp(), 7.0

    def loss(part: Part) -> torch.Tensor:
        if likelihood is None:
            return (part.forecast.squeeze(-1) - part.target).square().mean()
        return likelihood.compute_loss(part.forecast, part.target, None)

    part = Part("horizon", raw, target, None, 1.0)
    ours = loss(in_unit(part, torch.full((3,), unit, dtype=torch.float64), likelihood))
    theirs = loss(part) / (unit**2 if likelihood is None else unit) if shift is None else loss(part) - np.log(unit)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    assert loss_has_unit(likelihood)


def test_windows_tell_units_where_a_data_set_does_not_tell_its_series():
    from darts.utils.data import SequentialTorchTrainingDataset, TorchTrainingDataset

    whole = SequentialTorchTrainingDataset(
        wave(10.0, 5.0), past_covariates=wave(1e3, 9.0), input_chunk_length=L, output_chunk_length=H
    )

    class Windows(TorchTrainingDataset):
        def __len__(self):
            return len(whole)

        def __getitem__(self, index):
            return whole[index]

    model = CASE["PatchTSTModel"].model().fit_from_dataset(Windows())
    unit = model.model.forecaster.covariate_units.past
    np.testing.assert_allclose(unit.spread, wave(1e3).values().std(axis=0), rtol=0.2)
    np.testing.assert_allclose(unit.level, 9.0, atol=200)
