"""What a network learns from its training part before it is trained: from what, when, and what becomes of it."""

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.utils.data import SequentialTorchTrainingDataset, TorchTrainingDataset

from tests.adapter.prepared import SEASON, Seasonal, SeasonalModel
from tests.contracts.cases import CASE, Case, H, L, make_data
from tests.helpers import exactly

SEASONAL = Case(SeasonalModel, {})


@pytest.fixture(autouse=True)
def shown(monkeypatch) -> list:
    """Collect what networks are shown in a test."""
    monkeypatch.setattr(Seasonal, "shown", [])
    return Seasonal.shown


def phases(start: int = -5, end: int = 75, dtype: str = "float32") -> TimeSeries:
    steps = np.arange(start, end)
    return TimeSeries(pd.RangeIndex(start, end), (steps % SEASON)[:, None].astype(dtype))


def series(start: int = 0, length: int = 40, *, seed: int = 0, gaps: float = 0.0, dtype: str = "float32") -> TimeSeries:
    rng = np.random.default_rng(seed)
    steps = np.arange(start, start + length)
    values = 5 + 3 * np.sin(steps * 2 * np.pi / SEASON)[:, None] + rng.normal(size=(length, 2))
    values[rng.random(values.shape) < gaps] = np.nan
    return TimeSeries(pd.RangeIndex(start, start + length), values.astype(dtype))


def profile_by_hand(*several: TimeSeries) -> np.ndarray:
    """Average the values of each phase and component, one by one."""
    seen = {(phase, c): [] for phase in range(SEASON) for c in range(2)}
    for one in several:
        for step, row in zip(one.time_index, one.values(), strict=True):
            for c, value in enumerate(row):
                if not np.isnan(value):
                    seen[step % SEASON, c].append(value)
    return np.array([[np.mean(seen[phase, c]) for c in range(2)] for phase in range(SEASON)])


def fitted(*several: TimeSeries, **arguments) -> SeasonalModel:
    several = several or (series(),)
    model = SEASONAL.model(**arguments)
    return model.fit(several, future_covariates=[phases(dtype=one.dtype) for one in several])


def profile(model: SeasonalModel) -> np.ndarray:
    return model.model.forecaster.network.profile.numpy()


def test_it_is_learnt_from_all_that_was_observed_of_the_training_series_and_of_nothing_else():
    several = (series(gaps=0.3), series(9, 31, seed=1, gaps=0.3), series(2, 29, seed=2))
    model = SEASONAL.model()
    validation = {"val_series": series(seed=3) + 100, "val_future_covariates": phases()}
    model.fit(several, future_covariates=[phases()] * 3, **validation)
    np.testing.assert_allclose(profile(model), profile_by_hand(*several), rtol=1e-5)


def test_a_forecast_rests_on_it():
    model = fitted()
    before = model.predict(H).values()
    model.model.forecaster.network.profile += 2
    of_the_past = model.model.forecaster.network.rest.weight.sum(dim=1, keepdim=True).detach().numpy()
    np.testing.assert_allclose(model.predict(H).values() - before, 2 - 2 * of_the_past.repeat(2, axis=1), rtol=1e-4)


def test_it_is_learnt_once(shown, tmp_path):
    model = fitted()
    first = profile(model).copy()
    other, known = series(seed=1) + 100, phases()
    model.fit(other, future_covariates=known, epochs=1)
    model.save(tmp_path / "model.pt")
    loaded = SeasonalModel.load(tmp_path / "model.pt")
    borrowed = SEASONAL.model()
    borrowed.load_weights(tmp_path / "model.pt")
    for one in (loaded, borrowed):
        np.testing.assert_array_equal(profile(one), first)
        one.fit(other, future_covariates=known, epochs=1)
    assert len(shown) == 1
    for one in (model, loaded, borrowed):
        np.testing.assert_array_equal(profile(one), first)


def test_it_is_in_the_checkpoints_of_a_run(tmp_path, shown):
    place = {"model_name": "run", "work_dir": str(tmp_path), "save_checkpoints": True}
    model = SEASONAL.model(**place)
    model.fit(series(), future_covariates=phases(), val_series=series(seed=1), val_future_covariates=phases())
    loaded = SeasonalModel.load_from_checkpoint("run", tmp_path, best=False)
    np.testing.assert_array_equal(profile(loaded), profile(model))
    assert len(shown) == 1


def test_a_model_made_anew_learns_it_anew(shown):
    model = fitted()
    model.reset_model()
    other = series(seed=1) + 100
    model.fit(other, future_covariates=phases())
    np.testing.assert_allclose(profile(model), profile_by_hand(other), rtol=1e-5)
    assert len(shown) == 2


def test_each_window_of_a_backtest_that_trains_learns_it_from_its_own_past(shown):
    SEASONAL.model().historical_forecasts(
        series(), future_covariates=phases(), start=35, retrain=True, forecast_horizon=2, verbose=False
    )
    assert [len(one.target) for (one,) in shown] == [35, 36, 37, 38]


def test_it_is_as_exact_as_the_training():
    of_days = series(dtype="float64") + 1e9
    model = fitted(of_days)
    assert profile(model).dtype == np.float64
    np.testing.assert_allclose(profile(model), profile_by_hand(of_days), rtol=1e-14)


def test_covariates_are_those_of_the_same_steps(shown):
    target = series(10, 40)
    steps = np.arange(100, dtype=np.float32)[:, None]
    early, late, short = (
        TimeSeries(pd.RangeIndex(start, end), np.concatenate([steps[start:end], -steps[start:end]], axis=1))
        for start, end in ((3, 100), (17, 100), (10, 46))
    )
    for past in (early, late, short):
        SEASONAL.model().fit(target, past_covariates=past, future_covariates=phases())
    own = np.arange(10, 50, dtype=np.float32)
    for (one,), missing in zip(shown, (own < 0, own < 17, own >= 46), strict=True):
        expected = np.where(missing, np.nan, own)
        np.testing.assert_array_equal(one.past[:, 0], expected)
        np.testing.assert_array_equal(one.past[:, 1], -expected)
        np.testing.assert_array_equal(one.future[:, 0], own % SEASON)
        assert one.static is None


def test_static_covariates_are_shown_unless_they_are_not_used(shown):
    data = make_data(2)
    for arguments in ({}, {"use_static_covariates": False}):
        SEASONAL.model(**arguments).fit(data.series, future_covariates=data.future_covariates.map(np.abs))
    (first,), (second,) = shown
    np.testing.assert_array_equal(first.static, data.series.static_covariates_values())
    assert second.static is None


def test_a_series_that_is_too_short_to_train_on_is_not_shown(shown):
    fitted(series(), series(0, L + H - 1, seed=1))
    assert [len(one.target) for one in shown[0]] == [40]


def test_what_a_network_is_shown_is_its_own(monkeypatch):
    target, known = series(), phases()
    copies = target.copy(), known.copy()

    def prepare(self, several):  # noqa: ARG001
        for one in several:
            one.target.zero_()
            one.future.zero_()

    monkeypatch.setattr(Seasonal, "prepare", prepare)
    SEASONAL.model().fit(target, future_covariates=known)
    assert (target, known) == copies


def test_series_are_made_when_they_are_read_and_can_be_read_again(monkeypatch):
    lengths = []

    def prepare(self, several):  # noqa: ARG001
        assert next(iter(several)).target is not next(iter(several)).target
        lengths.extend([[len(one.target) for one in several] for _ in range(2)])

    monkeypatch.setattr(Seasonal, "prepare", prepare)
    fitted(series(), series(0, 30), series(0, 25))
    assert lengths == [[40, 30, 25]] * 2


def a_data_set() -> TorchTrainingDataset:
    return SequentialTorchTrainingDataset(
        series(), future_covariates=phases(), input_chunk_length=L, output_chunk_length=H
    )


class Windows(TorchTrainingDataset):
    """Windows that do not tell where they are from."""

    def __init__(self):
        self.windows = list(map(a_data_set().__getitem__, range(4)))

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, index):
        return self.windows[index]


def test_a_data_set_shows_its_series():
    model = SEASONAL.model().fit_from_dataset(a_data_set())
    np.testing.assert_allclose(profile(model), profile_by_hand(series()), rtol=1e-5)


def test_a_data_set_that_knows_no_series_is_refused_where_they_are_needed():
    message = (
        "train_dataset=Windows(...) must have 'past_covariates': the network learns from whole series before it is "
        "trained"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        SEASONAL.model().fit_from_dataset(Windows())
    assert CASE["ITransformerModel"].model().fit_from_dataset(Windows()).epochs_trained == 1
