"""The recipe for the boards: which rows it trains and validates on, and what it makes of a model's forecasts."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.models import DLinearModel
from darts.utils.likelihood_models.torch import QuantileRegression

from benchmarks.boards import fitting
from benchmarks.boards.board import DECILES, Configuration, Item
from benchmarks.boards.naive import seasonal_naive
from benchmarks.boards.plan import Plan, plan
from benchmarks.boards.recipe import MEMBERS, NAIVE_SHARES, floored, mixed, mixture
from darts_tsformers import PatchTSTModel
from darts_tsformers.adapter.callbacks import BestWeights

LOOKBACK, HORIZON = 13, 5


def item(rows, columns=1, freq="h", known=0, seed=0):
    rng = np.random.default_rng(seed)
    times = pd.date_range("2001-01-01", periods=rows, freq=freq)
    target, beside = (TimeSeries(times, rng.normal(size=(rows, n))) if n else None for n in (columns, known))
    return Item(target, beside)


@pytest.mark.parametrize(
    ("rows", "horizon", "freq", "expected"),
    [
        (10_000, 48, "h", Plan(lookback=168, season=24, validation=1008, stride=24, n_windows=366)),
        (3_000, 48, "h", Plan(lookback=168, season=24, validation=312, stride=1, n_windows=2473)),
        (60_000, 480, "15min", Plan(lookback=480, season=96, validation=6048, stride=96, n_windows=553)),
        (600, 30, "D", Plan(lookback=84, season=7, validation=60, stride=1, n_windows=427)),
        (90, 8, "W-THU", Plan(lookback=27, season=52, validation=12, stride=1, n_windows=44)),
        (20, 8, "QS", Plan(lookback=4, season=4, validation=0, stride=1, n_windows=9)),
    ],
)
def test_a_plan_follows_from_rows_horizon_and_frequency(rows, horizon, freq, expected):
    assert plan([item(rows, freq=freq)], horizon) == expected


def test_windows_of_many_short_series_count_together():
    found = plan([item(72, freq="MS")] * 100, 12)
    assert found == Plan(lookback=12, season=12, validation=12, stride=12, n_windows=400)


@pytest.mark.parametrize("freq", ["10min", "h", "D", "W-SUN", "MS", "QS"])
@pytest.mark.parametrize("horizon", [7, 24, 30])
@pytest.mark.parametrize("rows", [61, 211, 5003])
def test_a_plan_leaves_windows_to_train_on_and_validates_in_phase(freq, horizon, rows):
    found = plan([item(rows, freq=freq)], horizon)
    assert found.n_windows == (rows - found.validation - found.lookback - horizon) // found.stride + 1 > 0
    assert found.validation == 0 or found.validation >= horizon
    assert found.validation % math.gcd(horizon, found.season) == 0


@pytest.mark.parametrize(("rows", "steps"), [(64 * 216, 2000), (79_344, 378)])
def test_long_windows_get_fewer_steps(rows, steps):
    assert fitting.most_steps(rows) == steps


class Recorded:
    """A model that keeps what it is given, and forecasts by component, step and decile: 100 c + 10 h - q."""

    input_chunk_length, output_chunk_length = LOOKBACK, HORIZON

    def __init__(self):
        self.trainer = SimpleNamespace(callbacks=[BestWeights(1)], global_step=7)

    def fit(self, series, **given):
        self.fitted = {"series": series, **given}

    def predict(self, n, series, future_covariates, **_):
        self.asked = {"series": series, "future_covariates": future_covariates}
        ranks = np.arange(9)
        return [
            TimeSeries.from_values(
                np.stack([(100 * c + 10 * h - ranks) for h in range(n) for c in range(one.n_components)])
                .reshape(n, -1)
                .astype(float)
            )
            for one in series
        ]


def units(target):
    values = target.values()
    return np.abs(values - np.median(values, axis=0)).mean(axis=0)


@pytest.mark.parametrize("validation", [0, 10])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_model_is_fitted_on_rows_before_validation_in_units_of_the_training_part(validation, one_by_one):
    training, model = [item(47, 2, known=3), item(53, 2, known=3)], Recorded()
    plans = Plan(LOOKBACK, 24, validation, 5, 11)
    forecast, made = fitting.fit(model, training, plans, one_by_one=one_by_one)
    first = model.fitted["series"][0]
    expected = (training[0].target.values() / units(training[0].target))[: 47 - validation]
    np.testing.assert_allclose(first.values(), expected[:, : first.n_components], rtol=1e-6)
    assert len(model.fitted["series"]) == (4 if one_by_one else 2)
    assert model.fitted["stride"] == 5
    if validation:
        assert model.fitted["val_series"][0].end_time() == training[0].target.end_time()
        assert len(model.fitted["val_series"][0]) == validation + LOOKBACK
    else:
        assert "val_series" not in model.fitted
    assert made["steps"] == 7

    found = forecast(training)
    assert {len(one) for one in model.asked["series"]} == {LOOKBACK}
    assert len(model.asked["future_covariates"]) == len(model.asked["series"])
    assert found.shape == (2, HORIZON, 2, 9)
    column = 0 if one_by_one else 100  # one by one, each is the first component
    for index, one in enumerate(training):
        in_order = (column + 10 * 3 - np.arange(9)[::-1]) * units(one.target)[1]
        np.testing.assert_allclose(found[index, 3, 1], in_order, rtol=1e-6)


@pytest.mark.parametrize("kind", [PatchTSTModel, DLinearModel])
def test_forecasts_of_ours_and_of_darts_models_move_with_the_unit_of_the_data(kind):
    given = item(83, 2)
    larger = Item(given.target * 1000.0)
    found = []
    for one in (given, larger):
        model = kind(
            LOOKBACK,
            HORIZON,
            **getattr(kind, "tiny", {}),
            n_epochs=1,
            likelihood=QuantileRegression(list(DECILES)),
            random_state=0,
            pl_trainer_kwargs=fitting.trainer(n_steps=2),
        )
        forecast, _ = fitting.fit(model, [one], Plan(LOOKBACK, 24, 10, 1, 11))
        found.append(forecast([one]))
    np.testing.assert_allclose(1000 * found[0], found[1], rtol=1e-3, atol=1.0)


def test_forecasts_stay_above_what_ever_was():
    training = [item(17, 2, seed=1), item(19, 2, seed=2)]
    found = floored(lambda _: np.full((2, HORIZON, 2, 9), -50.0), training)(training)
    for index, one in enumerate(training):
        lowest = one.target.values().min(axis=0)
        np.testing.assert_array_equal(found[index], np.broadcast_to(lowest[:, None], (HORIZON, 2, 9)))


def test_means_of_several_are_by_decile():
    recipes = [lambda *_, at=at: (lambda _: np.full((1, 2, 1, 9), at), {"processor seconds": at}) for at in (1.0, 4.0)]
    forecast, made = mixture(recipes, [item(5)], 2, 0)
    assert (forecast([item(5)]) == 2.5).all()
    assert made == {"processor seconds": 5.0}


def seasonal(rows, noise):
    values = np.sin(np.arange(rows) * 2 * np.pi / 24) + noise * np.random.default_rng(0).normal(size=rows)
    return Item(TimeSeries(pd.date_range("2001-01-01", periods=rows, freq="h"), values[:, None]))


@pytest.mark.parametrize(("offset", "share"), [(0.0, 0.0), (5.0, 0.5)])
def test_validation_rows_say_how_much_of_the_naive_is_mixed_in(offset, share):
    given, plans = seasonal(200, 0.05), Plan(24, 24, 20, 1, 99)

    def wave(histories):
        steps = np.stack([len(one.target) + np.arange(HORIZON) for one in histories])
        median = np.sin(steps * 2 * np.pi / 24)[..., None, None]
        return offset + median + np.linspace(-0.05, 0.05, 9)

    forecast, chosen = mixed(wave, [given], plans, HORIZON)
    assert chosen["share of naive"] == share
    expected = (1 - share) * wave([given]) + share * seasonal_naive([given], HORIZON, 24)
    np.testing.assert_allclose(forecast([given]), expected)


def test_half_of_a_forecast_is_the_naive_of_the_last_value_where_there_are_too_few_rows():
    given = item(20, freq="W-SUN")
    forecast, chosen = mixed(lambda _: np.zeros((1, HORIZON, 1, 9)), [given], Plan(5, 52, 0, 1, 9), HORIZON)
    assert chosen == {"share of naive": NAIVE_SHARES[-1]}
    np.testing.assert_allclose(forecast([given]), seasonal_naive([given], HORIZON, 1) / 2)


@pytest.mark.parametrize("model", MEMBERS)
def test_rows_to_forecast_change_neither_training_nor_the_forecast(monkeypatch, model):
    monkeypatch.setattr(fitting, "STEPS", 2)
    asked = Configuration("ours", list, HORIZON, 24, 3)
    given = item(151, 2, known=3)
    values = given.target.all_values()
    values[-3 * HORIZON :] += 7.0
    found = []
    for one in (given, Item(given.target.with_values(values), given.known)):
        forecast, made = MEMBERS[model](asked.training([one]), HORIZON, 1)
        found.append(forecast(next(asked.windows([one])).histories))
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found).all()
    assert (np.diff(found[0], axis=-1) >= 0).all()
    assert made["processor seconds"] > 0
