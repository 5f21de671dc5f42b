"""What a forecaster keeps: through update, pretrain, copies and files."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sktime.base import load
from sktime.split import ExpandingWindowSplitter

from darts_tsformers.sktime import ITransformerForecaster, PatchTSTForecaster
from tests.sktime.cases import LENGTH, QUANTILES, H, make_panel, make_X, make_y, months, one_of_each_kind, tiny


def weights(trained) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in trained.darts.model.parameters()]


def equal(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_update_without_training_moves_where_the_forecast_starts():
    y, X = make_y(LENGTH + 4), make_X(LENGTH + 20)
    forecaster = tiny(PatchTSTForecaster).fit(y[:LENGTH], X=X[:LENGTH], fh=[1, 2])
    before = weights(forecaster.model_)
    forecaster.update(y[LENGTH:], X=X[LENGTH : LENGTH + 4], update_params=False)
    assert equal(weights(forecaster.model_), before)
    ours = forecaster.predict(X=X[LENGTH + 4 :])
    assert list(ours.index) == list(months(LENGTH + 6)[-2:])
    pretending = tiny(PatchTSTForecaster).fit(y, X=X[: LENGTH + 4])
    pretending.model_ = forecaster.model_
    pd.testing.assert_frame_equal(ours, pretending.predict([1, 2], X=X[LENGTH + 4 :]))


def test_update_with_training_is_a_fit_on_all_the_data():
    y = make_y(LENGTH + 4)
    updated = tiny(PatchTSTForecaster).fit(y[:LENGTH]).update(y[LENGTH:])
    pd.testing.assert_frame_equal(updated.predict([1, 2]), tiny(PatchTSTForecaster).fit(y).predict([1, 2]))


def test_a_row_later_than_the_next_leaves_a_gap():
    y = make_y(LENGTH + 4, index=pd.date_range("2001-03-05", periods=LENGTH + 4, freq="D"))
    forecaster = tiny(PatchTSTForecaster).fit(y[:LENGTH])
    ours = forecaster.update(y[LENGTH + 2 :], update_params=False).predict([1])
    y.iloc[[LENGTH, LENGTH + 1]] = np.nan
    pretending = tiny(PatchTSTForecaster).fit(y)
    pretending.model_ = forecaster.model_
    pd.testing.assert_frame_equal(ours, pretending.predict([1]), check_freq=False)


@pytest.mark.parametrize("update_params", [False, True])
def test_update_predict_forecasts_from_each_cutoff(update_params):
    y = make_y(LENGTH + 3)
    forecaster = tiny(PatchTSTForecaster).fit(y[:LENGTH], fh=[1, 2])
    cv = ExpandingWindowSplitter(fh=[1, 2], initial_window=1, step_length=1)
    before = forecaster.predict()
    forecasts = forecaster.update_predict(y[LENGTH:], cv=cv, update_params=update_params)
    for n, cutoff in enumerate(y.index[LENGTH : LENGTH + 1], LENGTH + 1):
        step_by_step = tiny(PatchTSTForecaster).fit(y[:LENGTH]).update(y[LENGTH:n], update_params=update_params)
        pd.testing.assert_frame_equal(forecasts[cutoff].dropna(), step_by_step.predict([1, 2]))
    pd.testing.assert_frame_equal(forecaster.predict(), before)


def test_update_predict_over_the_training_data_sees_nothing_after_the_cutoff():
    y = make_y()
    forecaster = tiny(PatchTSTForecaster).fit(y, fh=[1, 2])
    cv = ExpandingWindowSplitter(fh=[1, 2], initial_window=LENGTH - 5, step_length=2)
    forecasts = forecaster.update_predict(y, cv=cv, update_params=False)
    cutoff = y.index[LENGTH - 6]
    pretending = tiny(PatchTSTForecaster).fit(y[: LENGTH - 5])
    pretending.model_ = forecaster.model_
    pd.testing.assert_frame_equal(forecasts[cutoff].dropna(), pretending.predict([1, 2]))


@one_of_each_kind
def test_fit_keeps_the_weights_of_pretrain(forecaster_class):
    panel, y = make_panel({"south": 29, "north": 23}), make_y(17, seed=9)
    forecaster = tiny(forecaster_class).pretrain(panel)
    before = weights(forecaster.pretrained_)
    ours = forecaster.fit(y).predict([1, 2])
    assert equal(weights(forecaster.model_), before)
    assert list(ours.index) == list(months(19)[17:])
    forecaster.update(make_y(19, seed=9)[17:])
    assert equal(weights(forecaster.model_), before)


def test_pretrain_goes_on_from_the_weights_it_has():
    panel, X = make_panel({"south": 29, "north": 23}), None
    once = tiny(PatchTSTForecaster, model_kwargs={"optimizer_kwargs": {"lr": 0.0}}).pretrain(panel, X=X)
    before = weights(once.pretrained_)
    assert equal(weights(once.pretrain(make_panel({"east": 31})).pretrained_), before)
    learning = tiny(PatchTSTForecaster).pretrain(panel).pretrain(panel)
    assert not equal(weights(learning.pretrained_), weights(tiny(PatchTSTForecaster).pretrain(panel).pretrained_))


def test_a_pretrained_copy_is_as_good_as_the_original():
    forecaster = tiny(PatchTSTForecaster).pretrain(make_panel({"south": 29, "north": 23}))
    clone = forecaster.clone()
    assert clone.state == "pretrained"
    y = make_y(17)
    pd.testing.assert_frame_equal(clone.fit(y).predict([1]), forecaster.fit(y).predict([1]))
    again = clone.pretrain(make_panel({"east": 31})).fit(y).predict([1])
    assert not again.equals(forecaster.predict([1]))


def embedding(trained) -> torch.Tensor:
    return trained.darts.model.forecaster.network.backbone.embedding.weight


def test_pretrain_lets_it_learn_before_it_forecasts():
    panel, y = make_panel({"south": 29, "north": 23}), make_y(17, seed=9)
    how = {"objective": "masked", "mask_ratio": 0.5, "transfer": "probe"}
    forecaster = tiny(PatchTSTForecaster, pretraining=how).pretrain(panel)
    before = weights(forecaster.pretrained_)
    assert forecaster.pretrained_.darts.objective == "masked"
    clone = forecaster.clone()
    for each in (forecaster, clone):
        forecast = each.fit(y).predict([1, 2])
        assert forecast.notna().all(axis=None)
        assert torch.equal(embedding(each.model_), embedding(forecaster.pretrained_))
        assert equal(weights(each.pretrained_), before)
    pd.testing.assert_frame_equal(forecaster.predict([1]), clone.predict([1]))
    further = clone.pretrain(panel)
    assert not equal(weights(further.pretrained_), before)


def test_how_to_pretrain_is_a_dict():
    with pytest.raises(ValueError, match="pretraining='masked' must be None or a dict of arguments of pretrain"):
        tiny(PatchTSTForecaster, pretraining="masked").pretrain(make_panel({"south": 29, "north": 23}))


def through_pickle(forecaster, _):
    return pickle.loads(pickle.dumps(forecaster))


def through_deepcopy(forecaster, _):
    return copy.deepcopy(forecaster)


def through_a_file(forecaster, folder):
    forecaster.save(folder / "forecaster")
    return load(str(folder / "forecaster"))


def through_two_pickles(forecaster, folder):
    return through_pickle(through_pickle(forecaster, folder), folder)


@pytest.mark.parametrize("way", [through_pickle, through_deepcopy, through_a_file, through_two_pickles])
def test_a_copy_forecasts_the_same_and_goes_on_alone(way, tmp_path):
    y, X = make_y(LENGTH + 2, n_variables=2), make_X(LENGTH + 20)
    forecaster = tiny(ITransformerForecaster, quantiles=QUANTILES, num_samples=5)
    forecaster.fit(y[:LENGTH], X=X[:LENGTH], fh=range(1, H + 2))
    expected = forecaster.predict_quantiles(X=X[LENGTH:], alpha=[0.2])
    twin = way(forecaster, tmp_path)
    pd.testing.assert_frame_equal(twin.predict_quantiles(X=X[LENGTH:], alpha=[0.2]), expected)
    twin.update(y[LENGTH:], X=X[LENGTH:])
    pd.testing.assert_frame_equal(forecaster.predict_quantiles(X=X[LENGTH:], alpha=[0.2]), expected)
    assert twin.predict(X=X[LENGTH:]).index[0] == expected.index[2]


def test_a_copy_holds_no_training_data():
    small, large = (len(pickle.dumps(tiny(PatchTSTForecaster).fit(make_y(n)).model_)) for n in (20, 2000))
    assert large < small + 1000


def test_no_file_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    forecaster = tiny(PatchTSTForecaster).fit(make_y(), fh=[1])
    through_pickle(forecaster, None).predict()
    assert list(tmp_path.iterdir()) == []
