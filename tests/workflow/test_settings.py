import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from pandas.tseries.frequencies import to_offset

from darts_tsformers.catalogue import forecasters
from darts_tsformers.recommendation import ranking, recommend
from darts_tsformers.recommendation.evidence import Evidence
from darts_tsformers.recommendation.ranking import CANDIDATES, SIMPLER
from darts_tsformers.seasonality import seasonal_period
from darts_tsformers.workflow import DataError
from darts_tsformers.workflow import settings as settings_module
from darts_tsformers.workflow.calendar_encoders import calendar_encoders
from darts_tsformers.workflow.settings import choose_settings
from darts_tsformers.workflow.splits import split_rows
from tests.helpers import exactly


def series(n_rows: int, freq: str, n_components: int = 1) -> TimeSeries:
    values = np.random.default_rng(0).normal(size=(n_rows, n_components)).astype(np.float32)
    return TimeSeries.from_times_and_values(pd.date_range("2000-01-01", periods=n_rows, freq=freq), values)


@pytest.mark.parametrize(
    ("freq", "n_rows", "cycles"),
    [
        ("6h", 300, ["hour", "dayofweek"]),
        ("D", 300, ["dayofweek"]),
        ("D", 731, ["dayofweek", "dayofyear"]),
        ("B", 300, ["dayofweek"]),
        ("W-TUE", 106, ["dayofyear"]),
        ("MS", 41, ["dayofyear"]),
    ],
)
def test_the_calendar_is_what_steps_and_length_tell_apart(freq, n_rows, cycles):
    times = series(n_rows, freq).time_index
    assert calendar_encoders(times) == {"cyclic": {"future": cycles}}


@pytest.mark.parametrize("times", [pd.RangeIndex(500), series(60, "YS").time_index, series(53, "W-SUN").time_index])
def test_steps_of_which_the_calendar_says_nothing_are_refused(times):
    with pytest.raises(DataError, match=r"^the calendar says nothing of these steps"):
        calendar_encoders(times)


@pytest.mark.parametrize(
    ("freq", "period"),
    [
        ("h", 24),
        ("2h", 12),
        ("30min", 48),
        ("15min", 96),
        ("min", 1440),
        ("10s", 360),
        ("D", 7),
        ("2D", 1),
        ("B", 5),
        ("W-TUE", 52),
        ("MS", 12),
        ("ME", 12),
        ("2MS", 6),
        ("QS-OCT", 4),
        ("QE", 4),
        ("YS", 1),
    ],
)
def test_the_season_is_the_usual_period_of_a_frequency(freq, period):
    assert seasonal_period(to_offset(freq)) == period


def test_steps_without_dates_have_no_season():
    assert seasonal_period(1) == 1


def test_a_season_needs_two_periods_to_train_on():
    assert choose_settings(series(200, "W"), 4).season == 52
    assert choose_settings(series(150, "W"), 4).season == 1


def test_a_target_without_a_value_to_train_on_is_refused_before_a_model_is_chosen():
    target = series(60, "D")
    values = target.values().copy()
    values[:46] = np.nan
    with pytest.raises(DataError, match=r"no target has a value up to .*, where training ends"):
        choose_settings(target.with_values(values), 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_epochs": 3}, "model_arguments must not hold 'n_epochs': give epochs instead"),
        ({"output_chunk_shift": 1}, "model_arguments must not hold 'output_chunk_shift', which is set by the workflow"),
        ({"batch_size": 0}, "batch_size 0 must be at least 1"),
    ],
)
def test_arguments_that_the_workflow_sets_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        choose_settings(series(60, "D"), 5, "patchtst", model_arguments=arguments)


@pytest.mark.parametrize(
    ("n_rows", "horizon", "freq", "lookback"),
    [(17420, 24, "h", 168), (17420, 96, "h", 192), (144, 12, "MS", 36), (2284, 26, "W", 156), (40, 4, "YS", 10)],
)
def test_the_lookback_fits_season_horizon_and_length(n_rows, horizon, freq, lookback):
    assert choose_settings(series(n_rows, freq), horizon).lookback == lookback


@pytest.mark.parametrize("n_rows", [31, 144, 1000, 17420])
@pytest.mark.parametrize("horizon", [1, 5, 12])
def test_windows_lie_side_by_side_up_to_the_end(n_rows, horizon):
    split = split_rows(n_rows, horizon, min_train_rows=3)
    assert 0 < split.validation_start < split.test_start < n_rows
    assert split.test_windows[0] == split.test_start
    assert split.test_windows[-1] + horizon == n_rows
    assert np.diff([*split.ensemble_windows, *split.test_windows]).tolist() == [horizon] * (
        len(split.ensemble_windows) + len(split.test_windows) - 1
    )
    assert len(split.test_windows) <= 20
    assert split.ensemble_windows[0] >= split.validation_start


def test_a_short_series_gives_up_windows_before_it_gives_up():
    assert split_rows(60, 5, min_train_rows=20).n_test_windows == 2
    tight = split_rows(60, 5, min_train_rows=50)
    assert (tight.n_validation_windows, tight.n_test_windows) == (1, 1)


def test_many_components_are_tested_on_fewer_windows():
    assert split_rows(5000, 5, min_train_rows=20).n_test_windows == 20
    assert split_rows(5000, 5, min_train_rows=20, n_components=100).n_test_windows == 4


def test_a_long_series_trains_on_a_bounded_number_of_steps():
    settings = choose_settings(series(17420, "h"), 24)
    assert settings.epochs * settings.steps_per_epoch <= 2000
    assert choose_settings(series(144, "MS"), 12).epochs == 200


def test_what_is_given_goes_before_what_is_chosen():
    settings = choose_settings(series(500, "D"), 3, "patchtst", lookback=9, epochs=4, model_arguments={"d_model": 8})
    assert (settings.lookback, settings.epochs, settings.model_arguments["d_model"]) == (9, 4, 8)
    assert settings.model_arguments["patch_length"] <= 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 0}, "horizon 0 must be at least 1"),
        ({"lookback": 0}, "look-back 0 must be at least 1"),
        ({"epochs": -3}, "epochs -3 must be at least 1"),
        ({"seed": -1}, "seed -1 must be at least 0 and below 2^31"),
        ({"model": "prophet"}, f"unknown model 'prophet': choose from auto, {', '.join(forecasters())}"),
        (
            {"horizon": 12, "lookback": 80},
            "100 rows are too few: a look-back of 80 and a horizon of 12 need 116, to train, to validate and to test; "
            "shorten them or bring a longer series",
        ),
        (
            {"horizon": 40},
            "100 rows are too few: a look-back of 4 and a horizon of 40 need 124, to train, to validate and to test; "
            "shorten them or bring a longer series",
        ),
        *(
            (
                {"quantiles": quantiles},
                f"quantiles {' '.join(map(str, quantiles))} must lie between 0 and 1, include 0.5, and have 1 - q for "
                "each q, such as 0.1 0.5 0.9",
            )
            for quantiles in ([0.1, 0.5], [0.1, 0.9], [0, 0.5, 1], [-0.1, 0.5, 1.1])
        ),
    ],
)
def test_a_setting_out_of_range_is_refused(arguments, message):
    with pytest.raises(DataError, match=exactly(message)):
        choose_settings(series(100, "D"), **{"horizon": 3, **arguments})


def test_the_shortest_series_allowed_is_allowed():
    assert choose_settings(series(116, "D"), 12, lookback=80).split.validation_start == 92


def evidence_for(name: str) -> Evidence:
    """Make up figures by which one model is the best everywhere."""
    errors = {other: 0.1 if other == name else 0.2 for other in [*CANDIDATES, *SIMPLER]}
    return Evidence({"ETTh1 96": errors}, dict.fromkeys(CANDIDATES, 1.0), {n: {1: 1.0, 7: 1.0} for n in CANDIDATES})


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_model_is_the_one_recommended_for_what_is_trained_on(name, monkeypatch):
    seen = []

    def watched(given, *args, **kwargs):
        seen.append(given)
        return recommend(given, *args, **kwargs)

    monkeypatch.setattr(settings_module, "recommend", watched)
    monkeypatch.setattr(ranking, "measured", lambda: evidence_for(name))
    target = series(100, "D")
    settings = choose_settings(target, 5, future_covariates=target)
    assert settings.model_class == CANDIDATES[name].model
    assert settings.model_arguments.items() >= CANDIDATES[name].arguments.items()
    assert settings.recommendation.facts.has_future
    assert not settings.needs_paths
    assert seen == [target[: settings.split.validation_start]]


def test_a_model_that_is_asked_for_is_not_recommended():
    settings = choose_settings(series(100, "D"), 5, "log_sparse")
    assert settings.recommendation is None
    assert settings.needs_paths
    assert not choose_settings(series(100, "D"), 5, "log_sparse", model_arguments={"mode": "direct"}).needs_paths


def test_an_argument_of_the_user_goes_before_the_recommended_one(monkeypatch):
    monkeypatch.setattr(ranking, "measured", lambda: evidence_for("LogSparse"))
    settings = choose_settings(series(100, "D"), 5, model_arguments={"mode": "autoregressive"})
    assert settings.model_arguments["mode"] == "autoregressive"
    assert settings.needs_paths


def test_a_season_that_is_given_is_taken_where_two_of_it_can_be_trained_on():
    series = TimeSeries.from_times_and_values(pd.date_range("2024-01-01", periods=90), np.arange(90.0))
    assert choose_settings(series, 5, "patchtst", season=11).season == 11
    assert choose_settings(series, 5, "patchtst", season=1).season == 1
    with pytest.raises(DataError, match=r"^season 40 is too long: \d+ rows to train on must hold two"):
        choose_settings(series, 5, "patchtst", season=40)
    with pytest.raises(DataError, match="season 0 must be at least 1"):
        choose_settings(series, 5, "patchtst", season=0)
