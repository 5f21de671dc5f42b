from dataclasses import replace

import numpy as np
import pytest
import torch
from darts import TimeSeries
from darts.models import NaiveSeasonal
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression
from matplotlib import pyplot
from matplotlib.figure import Figure

from darts_tsformers import PatchTSTModel, diagnose
from darts_tsformers.diagnosis import Diagnosis, Figures
from darts_tsformers.diagnosis.rules import RULES
from tests.contracts.cases import CASE, SAMPLE, Case, make_data
from tests.helpers import exactly

NAN, INF = float("nan"), float("inf")
GOOD = Figures(
    n_windows=7,
    train_loss=0.5,
    train_loss_before=0.5,
    validation_loss=0.6,
    best_validation_loss=0.6,
    is_log_likelihood=False,
    lost_share=0.0,
    variance_ratio=0.8,
    mae=1.0,
    mae_last_value=3.0,
    mae_seasonal=2.0,
    missing_share=0.0,
    dead_share=0.0,
    tiny_share=0.0,
    season=12,
)


def findings(**changes: float) -> list[str]:
    figures = replace(GOOD, **changes)
    return [rule.words(figures) for rule in RULES if rule.holds(figures)]


def test_good_figures_have_no_findings():
    assert findings() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variance_ratio": 0.02}, ["forecast is flat: its variance is 2.0%", "two seasons (24 steps)"]),
        ({"mae": 3.0, "mae_seasonal": 9}, ["No better than repeating the last value (MAE 3 against 3)"]),
        ({"mae": 2.5}, ["No better than repeating the last season of 12 steps (MAE 2.5 against 2)"]),
        ({"validation_loss": 0.9}, ["rose from 0.6 at its best to 0.9 at the end: it overfits"]),
        ({"train_loss": 0.4}, ["fell from 0.5 to 0.4 in the last epoch"]),
        ({"missing_share": 0.5}, ["50% of the input was not observed"]),
        ({"dead_share": 0.25}, ["25% of the windows are constant"]),
        ({"tiny_share": 0.5}, ["50% of the windows have a standard deviation below 0.01", "Scale the series"]),
        ({"validation_loss": -0.6, "best_validation_loss": -1.2}, ["rose from -1.2 at its best to -0.6"]),
        ({"train_loss": -0.6, "train_loss_before": -0.5}, ["fell from -0.5 to -0.6 in the last epoch"]),
        ({"lost_share": 0.25, "mae": NAN}, ["NaN or infinite: 25% of the forecast values. ", "lower learning rate"]),
        ({"train_loss": NAN, "validation_loss": INF}, ["NaN or infinite: train_loss, validation_loss. "]),
        ({"mae": NAN}, ["Nothing was observed where the 7 windows were forecast"]),
    ],
)
def test_each_flaw_has_its_words(changes, words):
    (finding,) = findings(**changes)
    assert all(word in finding for word in words)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Better than repeating the last season of 12 steps: MAE 1 against 2, 50% less, over 7 windows."),
        ({"mae_seasonal": 5.0}, "Better than repeating the last value: MAE 1 against 3, 67% less, over 7 windows."),
        ({"season": 1}, "Better than repeating the last value: MAE 1 against 3, 67% less, over 7 windows."),
        ({"mae": 2.0}, "No better than repeating the last season of 12 steps: MAE 2 against 2, over 7 windows."),
        ({"mae": NAN, "n_windows": 1}, "The error of the model cannot be told, over 1 window."),
    ],
)
def test_the_verdict_comes_first(changes, said):
    assert str(Diagnosis(replace(GOOD, **changes), ())).splitlines()[:2] == [said, "- Nothing stands out."]


def test_a_season_can_be_given():
    model = CASE["PatchTSTModel"].model().fit(sine())
    assert diagnose(model, sine()).figures.season == 1
    figures = diagnose(model, sine(), season=12).figures
    assert figures.season == 12
    assert figures.mae_seasonal < figures.mae_last_value
    with pytest.raises(ValueError, match="season=14 must be at most input_chunk_length=13"):
        diagnose(model, sine(), season=14)
    with pytest.raises(ValueError, match="season=0 must be an integer of at least 1"):
        diagnose(model, sine(), season=0)


def test_errors_can_be_told_in_other_units():
    model = CASE["PatchTSTModel"].model().fit(sine())
    plain, told = diagnose(model, sine()).figures, diagnose(model, sine(), unit=[5.0]).figures
    errors = ("mae", "mae_last_value", "mae_seasonal")
    assert [getattr(told, name) for name in errors] == pytest.approx([5 * getattr(plain, name) for name in errors])
    assert replace(told, **{name: getattr(plain, name) for name in errors}) == plain
    for unit in (0, [1.0, 2.0], [float("nan")]):
        with pytest.raises(ValueError, match="must be above 0: one number, or one for each of 1 components"):
            diagnose(model, sine(), unit=unit)


def test_a_diagnosis_is_drawn_on_what_is_given():
    axes = Figure().subplots()
    assert Diagnosis(GOOD, ()).plot(ax=axes) is axes
    assert [bar.get_width() for bar in axes.patches] == [1.0, 3.0, 2.0]
    own = Diagnosis(replace(GOOD, season=1), ()).plot()
    assert len(own.patches) == 2
    pyplot.close(own.figure)


def test_no_advice_is_given_that_was_followed():
    (advice,) = findings(mae=3.0, mae_seasonal=9)
    (followed,) = findings(mae=3.0, mae_seasonal=9, is_normalised=True)
    assert "use_instance_norm" in advice
    assert followed == advice.replace("use_instance_norm=True, ", "")


def test_shares_of_nothing_are_no_large_numbers():
    assert replace(GOOD, mae_last_value=0.0).skill_last_value == -INF
    assert np.isnan(replace(GOOD, mae=0.0, mae_seasonal=0.0).skill_seasonal)
    series = TimeSeries.from_values(np.full((40, 1), 3.0, dtype=np.float32))
    figures = diagnose(CASE["PatchTSTModel"].model().fit(series), series).figures
    assert np.isnan(figures.variance_ratio) or figures.variance_ratio == INF
    assert figures.is_normalised


def test_only_a_fitted_model_of_this_package_is_diagnosed():
    series = make_data().series
    with pytest.raises(ValueError, match=r"PatchTSTModel\(\.\.\.\) must be fitted first"):
        diagnose(PatchTSTModel(24, 6), series)
    with pytest.raises(TypeError, match=r"model=NaiveSeasonal\(\.\.\.\) must be a forecaster of darts_tsformers"):
        diagnose(NaiveSeasonal(3).fit(series), series)


def test_unknown_losses_say_nothing():
    assert findings(validation_loss=None, best_validation_loss=None, train_loss=None, train_loss_before=None) == []


@pytest.mark.parametrize(
    ("best", "last", "overfits", "overfits_as_likelihood"),
    [(-0.001, 0.004, False, False), (0.001, 0.004, True, False), (-0.05, 0.06, True, True), (9.0, 9.2, False, True)],
)
def test_losses_are_compared_by_shares_only_where_a_share_means_something(best, last, overfits, overfits_as_likelihood):
    losses = {"best_validation_loss": best, "validation_loss": last}
    assert bool(findings(**losses)) == overfits
    assert bool(findings(**losses, is_log_likelihood=True)) == overfits_as_likelihood


def test_what_is_not_finite_is_named_first():
    lost, *others = findings(lost_share=1.0, mae=NAN, variance_ratio=NAN, missing_share=0.5, dead_share=0.5)
    assert lost.startswith("NaN or infinite: 100% of the forecast values.")
    assert len(others) == 2


def sine(n: int = 300) -> TimeSeries:
    steps = np.arange(n)
    noise = np.random.default_rng(0).normal(scale=0.1, size=n)
    return TimeSeries.from_values((np.sin(2 * np.pi * steps / 12) + noise).astype(np.float32))


def test_a_model_that_learnt_is_called_better_than_naive():
    model = CASE["PatchTSTModel"].model(24, 12, n_epochs=15, d_model=16, dropout=0.0, optimizer_kwargs={"lr": 3e-3})
    diagnosis = diagnose(model.fit(sine()[:200], val_series=sine()[176:]), sine()[176:])
    assert diagnosis.figures.skill_last_value > 0.5
    assert diagnosis.figures.variance_ratio > 0.5
    assert not any("No better" in finding or "flat" in finding for finding in diagnosis.findings)
    assert diagnosis.figures.validation_loss is not None


SAYS = ("head", "heads", "highway", "target", "trend")
"""Endings of the names of what makes a forecast; those that draw paths make it of noise."""
SPEAKING = [case for case in SAMPLE if not case.draws_paths]


@pytest.mark.parametrize("case", SPEAKING, ids=lambda case: case.name)
def test_a_model_that_says_nothing_is_called_flat(case: Case):
    model = case.model().fit(sine())
    with torch.no_grad():
        for name, part in model.model.forecaster.network.named_modules():
            if name.endswith(SAYS):
                for parameter in part.parameters():
                    parameter.zero_()
    diagnosis = diagnose(model, sine())
    assert "forecast is flat" in diagnosis.findings[0]
    assert "forecast is flat" in str(diagnosis)


@pytest.mark.parametrize("likelihood", [None, QuantileRegression([0.1, 0.5, 0.9]), GaussianLikelihood()])
def test_a_model_whose_weights_are_lost_is_not_called_healthy(likelihood):
    model = CASE["PatchTSTModel"].model(likelihood=likelihood).fit(sine())
    assert diagnose(model, sine()).figures.is_log_likelihood == isinstance(likelihood, GaussianLikelihood)
    n_windows = diagnose(model, sine()).figures.n_windows
    with torch.no_grad():
        next(model.model.parameters()).fill_(NAN)
    diagnosis = diagnose(model, sine())
    assert diagnosis.findings[0].startswith("NaN or infinite: 100% of the forecast values.")
    assert (diagnosis.figures.n_windows, diagnosis.figures.lost_share) == (n_windows, 1)


def test_a_single_forecast_that_is_lost_is_counted(monkeypatch):
    model = CASE["PatchTSTModel"].model().fit(sine())
    found = model.historical_forecasts(sine(), forecast_horizon=5, retrain=False, last_points_only=False, stride=50)
    spoilt = [found[0] * INF, *found[1:]]
    monkeypatch.setattr(model, "historical_forecasts", lambda *_, **__: spoilt)
    diagnosis = diagnose(model, sine())
    assert diagnosis.figures.lost_share == pytest.approx(1 / len(found))
    assert np.isnan(diagnosis.figures.mae)
    assert len([finding for finding in diagnosis.findings if "NaN or infinite" in finding]) == 1


def test_the_best_validation_loss_is_a_number_where_one_was():
    model = CASE["PatchTSTModel"].model().fit(sine())
    model.model.loss_history = [(0.3, NAN), (0.2, 0.5), (NAN, NAN)]
    diagnosis = diagnose(model, sine())
    assert diagnosis.figures.best_validation_loss == 0.5
    assert diagnosis.findings[0].startswith("NaN or infinite: train_loss, validation_loss.")


def test_a_future_of_which_nothing_was_observed_is_said():
    values = sine().values(copy=True)
    values[13:] = NAN
    diagnosis = diagnose(CASE["PatchTSTModel"].model().fit(sine()), sine().with_values(values))
    assert diagnosis.findings[0].startswith("Nothing was observed where the 21 windows were forecast")


def test_a_flat_forecast_is_seen_where_every_window_has_a_gap():
    model = CASE["PatchTSTModel"].model().fit(sine())
    values = sine().values(copy=True)
    values[::4] = NAN
    series = sine().with_values(values)
    whole, gappy = (diagnose(model, one).figures.variance_ratio for one in (sine(), series))
    assert gappy == pytest.approx(whole, rel=0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"series": [sine(), sine()]}, "series must be one TimeSeries, not list: diagnose one after the other"),
        ({"series": None}, "series must be one TimeSeries, not NoneType: diagnose one after the other"),
        (
            {"future_covariates": [sine()]},
            "future_covariates must be one TimeSeries, not list: diagnose one after the other",
        ),
    ],
)
def test_several_series_are_refused(arguments, message):
    model = CASE["PatchTSTModel"].model()
    with pytest.raises(ValueError, match=exactly(message)):
        diagnose(model, **{"series": sine()} | arguments)


def test_covariates_gaps_and_constant_windows_are_counted():
    data = make_data(2)
    values = data.series.values(copy=True)
    values[::2, 0] = np.nan
    values[:, 1] = 7
    series = data.series.with_values(values)
    diagnosis = diagnose(CASE["PatchTSTModel"].model().fit(series, **data.covariates()), series, **data.covariates())
    assert diagnosis.figures.missing_share == pytest.approx(0.25, abs=0.03)
    assert diagnosis.figures.dead_share == 0.5
    assert diagnosis.figures.validation_loss is None
    assert diagnosis.figures.train_loss > 0
    assert np.isfinite(diagnosis.figures.mae)


def test_the_losses_survive_a_save(tmp_path):
    model = CASE["PatchTSTModel"].model(n_epochs=3).fit(sine(), val_series=sine())
    model.save(tmp_path / "saved.pt")
    loaded = PatchTSTModel.load(tmp_path / "saved.pt")
    assert len(loaded.model.loss_history) == 3
    assert loaded.model.loss_history == model.model.loss_history


def test_a_probabilistic_model_is_judged_by_its_median_each_time_the_same():
    model = CASE["PatchTSTModel"].model(n_epochs=3, likelihood=QuantileRegression([0.05, 0.5, 0.95])).fit(sine())
    first, second = (diagnose(model, sine()).figures for _ in range(2))
    assert first == second


def test_a_horizon_of_one_step_is_not_called_flat():
    model = CASE["PatchTSTModel"].model(24, 1, n_epochs=10, dropout=0.0, optimizer_kwargs={"lr": 3e-3}).fit(sine())
    assert diagnose(model, sine()).figures.variance_ratio > 0.3


def test_a_short_history_can_be_diagnosed():
    model = CASE["PatchTSTModel"].model(min_input_chunk_length=4).fit(sine())
    assert diagnose(model, sine(11)).figures.missing_share > 0.3


def test_a_shifted_model_is_diagnosed_on_all_its_windows():
    model = CASE["PatchTSTModel"].model(output_chunk_shift=3).fit(sine())
    with pytest.raises(ValueError, match=r"series has 20 steps, .* need 21"):
        diagnose(model, sine(20))
    assert diagnose(model, sine(21)).figures.n_windows == 1
    assert diagnose(model, sine(30), n_windows=100).figures.n_windows == 10


def test_no_windows_are_refused():
    with pytest.raises(ValueError, match="n_windows=0 must be an integer of at least 1"):
        diagnose(CASE["PatchTSTModel"].model().fit(sine()), sine(), n_windows=0)


def test_a_series_too_short_for_one_window():
    model = CASE["PatchTSTModel"].model().fit(sine())
    with pytest.raises(ValueError, match="series has 17 steps, but a look-back of 13 and a horizon of 5 need 18"):
        diagnose(model, sine(17))
    assert diagnose(model, sine(18)).figures.n_windows == 1
