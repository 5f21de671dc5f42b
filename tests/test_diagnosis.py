from dataclasses import replace

import numpy as np
import pytest
import torch
from darts import TimeSeries
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers import PatchTSTModel, diagnose
from darts_tsformers.diagnosis import RULES, Figures
from tests.contracts.cases import CASES, Case, make_data

GOOD = Figures(
    n_windows=7,
    train_loss=0.5,
    train_loss_before=0.5,
    validation_loss=0.6,
    best_validation_loss=0.6,
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
        ({"validation_loss": 0.9}, ["50% above its best: it overfits"]),
        ({"train_loss": 0.4}, ["fell by 20% in the last epoch"]),
        ({"missing_share": 0.5}, ["50% of the input was not observed"]),
        ({"dead_share": 0.25}, ["25% of the windows are constant"]),
        ({"tiny_share": 0.5}, ["50% of the windows have a standard deviation below 0.01", "Scale the series"]),
        ({"validation_loss": -0.6, "best_validation_loss": -1.2}, ["50% above its best"]),
        ({"train_loss": -0.6, "train_loss_before": -0.5}, ["fell by 20% in the last epoch"]),
    ],
)
def test_each_flaw_has_its_words(changes, words):
    (finding,) = findings(**changes)
    assert all(word in finding for word in words)


def test_unknown_losses_say_nothing():
    assert findings(validation_loss=None, best_validation_loss=None, train_loss=None, train_loss_before=None) == []


def sine(n: int = 300) -> TimeSeries:
    steps = np.arange(n)
    noise = np.random.default_rng(0).normal(scale=0.1, size=n)
    return TimeSeries.from_values((np.sin(2 * np.pi * steps / 12) + noise).astype(np.float32))


def test_a_model_that_learnt_is_called_better_than_naive():
    model = CASES[0].model(24, 12, n_epochs=15, d_model=16, dropout=0.0, optimizer_kwargs={"lr": 3e-3})
    diagnosis = diagnose(model.fit(sine()[:200], val_series=sine()[176:]), sine()[176:])
    assert diagnosis.figures.skill_last_value > 0.5
    assert diagnosis.figures.variance_ratio > 0.5
    assert not any("No better" in finding or "flat" in finding for finding in diagnosis.findings)
    assert diagnosis.figures.validation_loss is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_model_that_says_nothing_is_called_flat(case: Case):
    model = case.model().fit(sine())
    with torch.no_grad():
        for name, part in model.model.forecaster.network.named_modules():
            if name.split(".")[-1] in ("head", "trend"):
                for parameter in part.parameters():
                    parameter.zero_()
    diagnosis = diagnose(model, sine())
    assert "forecast is flat" in diagnosis.findings[0]
    assert "forecast is flat" in str(diagnosis)


def test_covariates_gaps_and_constant_windows_are_counted():
    data = make_data(2)
    values = data.series.values(copy=True)
    values[::2, 0] = np.nan
    values[:, 1] = 7
    series = data.series.with_values(values)
    diagnosis = diagnose(CASES[0].model().fit(series, **data.covariates()), series, **data.covariates())
    assert diagnosis.figures.missing_share == pytest.approx(0.25, abs=0.03)
    assert diagnosis.figures.dead_share == 0.5
    assert diagnosis.figures.validation_loss is None
    assert diagnosis.figures.train_loss > 0
    assert np.isfinite(diagnosis.figures.mae)


def test_the_losses_survive_a_save(tmp_path):
    model = CASES[0].model(n_epochs=3).fit(sine(), val_series=sine())
    model.save(tmp_path / "saved.pt")
    loaded = PatchTSTModel.load(tmp_path / "saved.pt")
    assert len(loaded.model.loss_history) == 3
    assert loaded.model.loss_history == model.model.loss_history


def test_a_probabilistic_model_is_judged_by_its_median_each_time_the_same():
    model = CASES[0].model(n_epochs=3, likelihood=QuantileRegression([0.05, 0.5, 0.95])).fit(sine())
    first, second = (diagnose(model, sine()).figures for _ in range(2))
    assert first == second


def test_a_horizon_of_one_step_is_not_called_flat():
    model = CASES[0].model(24, 1, n_epochs=10, dropout=0.0, optimizer_kwargs={"lr": 3e-3}).fit(sine())
    assert diagnose(model, sine()).figures.variance_ratio > 0.3


def test_a_short_history_can_be_diagnosed():
    model = CASES[0].model(min_input_chunk_length=4).fit(sine())
    assert diagnose(model, sine(11)).figures.missing_share > 0.3


def test_no_windows_are_refused():
    with pytest.raises(ValueError, match="n_windows=0 must be an integer of at least 1"):
        diagnose(CASES[0].model().fit(sine()), sine(), n_windows=0)


def test_a_series_too_short_for_one_window():
    model = CASES[0].model().fit(sine())
    with pytest.raises(ValueError, match="series has 17 steps, but a look-back of 13 and a horizon of 5 need 18"):
        diagnose(model, sine(17))
    assert diagnose(model, sine(18)).figures.n_windows == 1
