from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from darts_tsformers.workflow import Table, compare
from darts_tsformers.workflow import lookbacks as module
from darts_tsformers.workflow.lookbacks import choose_lookback, lookbacks
from darts_tsformers.workflow.settings import choose_settings
from darts_tsformers.workflow.training import Trained
from tests.workflow.conftest import TINY


@pytest.mark.parametrize(
    ("lookback", "season", "expected"),
    [
        (84, 12, [84, 36, 12]),
        (72, 12, [72, 36, 12]),
        (12, 12, [12]),
        (21, 7, [21, 7]),
        (19, 1, [19, 9, 4]),
        (5, 1, [5]),
    ],
)
def test_the_look_back_is_halved_twice_in_whole_seasons(comparison, lookback, season, expected):
    assert lookbacks(replace(comparison.settings, lookback=lookback, season=season)) == expected


def test_the_look_back_of_the_lowest_validation_loss_is_chosen(table, comparison, monkeypatch):
    losses, epochs = {84: 3.0, 36: 1.0, 12: 2.0}, []

    def trained(_, settings):
        epochs.append(settings.epochs)
        return Trained(None, losses[settings.lookback], 1)

    monkeypatch.setattr(module, "train", trained)
    candidates = [replace(comparison.settings, lookback=one, epochs=50) for one in losses]
    assert choose_lookback(table, candidates) == candidates[1]
    assert choose_lookback(table, candidates[:1]) == candidates[0]
    assert epochs == [10] * 3


def test_all_look_backs_validate_the_same_windows():
    for n_rows in (24, 31, 60, 90):
        target = TimeSeries.from_times_and_values(pd.date_range("2024", periods=n_rows), np.arange(n_rows) % 5.0)
        settings = choose_settings(target, 3, "patchtst")
        for one in lookbacks(settings):
            assert choose_settings(target, 3, "patchtst", lookback=one).split == settings.split


def test_a_look_back_that_is_asked_for_is_kept_and_else_one_of_these_is_taken(comparison):
    assert comparison.settings.lookback == 14
    target = TimeSeries.from_times_and_values(pd.date_range("2024", periods=90), np.arange(90) % 5.0)
    found = compare(Table(target), 3, "patchtst", epochs=1, model_arguments=TINY, refit=False, verbose=False)
    assert found.settings.lookback in lookbacks(choose_settings(target, 3, "patchtst"))
