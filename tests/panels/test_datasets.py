import pickle

import numpy as np
import pandas as pd
import pytest
from darts.utils.data import SequentialTorchInferenceDataset
from darts.utils.data.torch_datasets.utils import (
    TorchInferenceSample,
    _batch_collate_fn_predict,
    _batch_collate_fn_train,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from darts_tsformers.panels import (
    BlockSampler,
    Panel,
    PanelInferenceDataset,
    PanelTrainingDataset,
    WindowSizes,
    as_batch,
)
from tests.panels.tables import NAMED, untidy

FIELDS = ("past_target", "past_covariates", "historic_future_covariates", "future_covariates", "static_covariates")


@pytest.fixture(scope="module")
def panel():
    table = untidy(5, seed=3)
    table["weight"] = np.arange(len(table), dtype=np.float32)
    return Panel.from_pandas(table, **NAMED, weight="weight", rows_per_shard=41)


def naive(panel, sizes, stride, leave_out, last):
    """List the windows of each series from its end, one after the other."""
    for shop in panel.ids.to_pylist():
        target, past, future = panel[shop]
        n = len(target) - leave_out
        for end in range(n, 0, -stride):
            start = end - sizes.horizon - sizes.shift
            too_early = last is not None and end - sizes.horizon < n - last
            if start < sizes.shortest_lookback or too_early:
                break

            def looked_back_on(series, start=start):
                values = series.values()[max(start - sizes.lookback, 0) : start]
                return np.pad(values, ((sizes.lookback - len(values), 0), (0, 0)), constant_values=np.nan)

            yield {
                "past_target": looked_back_on(target),
                "past_covariates": looked_back_on(past),
                "historic_future_covariates": looked_back_on(future),
                "future_covariates": future.values()[end - sizes.horizon : end],
                "future_target": target.values()[end - sizes.horizon : end],
                "static_covariates": target.static_covariates.to_numpy(),
            }


@settings(max_examples=15, deadline=None)
@given(
    lookback=st.sampled_from([1, 5, 13]),
    shortest=st.sampled_from([1, 3, 13]),
    horizon=st.sampled_from([1, 3]),
    shift=st.sampled_from([0, 2]),
    stride=st.sampled_from([1, 3, 7]),
    leave_out=st.sampled_from([0, 5]),
    last=st.sampled_from([None, 3, 5]),
)
def test_windows_are_those_of_a_naive_list(panel, lookback, shortest, horizon, shift, stride, leave_out, last):
    sizes = WindowSizes(lookback, min(shortest, lookback), horizon, shift)
    dataset = PanelTrainingDataset(panel, sizes, stride=stride, leave_out=leave_out, last=last)
    expected = list(naive(panel, sizes, stride, leave_out, last))
    assert len(dataset) == len(expected)
    order = np.random.default_rng(0).permutation(len(expected))
    batch = as_batch(dataset.__getitems__(order.tolist()))
    for name in expected[0]:
        stacked = np.stack([expected[i][name] for i in order])
        np.testing.assert_array_equal(getattr(batch, name).numpy(), stacked)
        np.testing.assert_array_equal(getattr(dataset[len(expected) - 1], name), expected[-1][name])


def test_weights_go_with_the_steps_to_forecast():
    table = pd.DataFrame({"id": 0, "t": range(7), "y": 0.0, "w": range(7)})
    panel = Panel.from_pandas(table, id="id", time="t", target="y", weight="w")
    dataset = PanelTrainingDataset(panel, WindowSizes(3, 3, 2))
    assert dataset[1].sample_weight.ravel().tolist() == [4.0, 5.0]


def test_kinds_that_a_model_has_no_place_for_are_left_out(panel):
    sample = PanelTrainingDataset(panel, WindowSizes(5, 5, 3), kinds=["static"])[0]
    assert sample.past_covariates is sample.future_covariates is sample.historic_future_covariates is None
    assert sample.static_covariates.shape == (1, 2)


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_of_darts_and_fast_ones_give_the_same(panel, workers):
    dataset = PanelTrainingDataset(panel, WindowSizes(5, 3, 2))
    kept = pickle.loads(pickle.dumps(dataset))
    assert len(pickle.dumps(dataset)) < 1000
    slow = DataLoader(dataset, 7, collate_fn=_batch_collate_fn_train)
    fast = DataLoader(kept, 7, collate_fn=as_batch, num_workers=workers)
    for one, other in zip(slow, fast, strict=True):
        for name in (*FIELDS, "future_target", "sample_weight"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(("n", "shift", "cut"), [(2, 0, 0), (3, 2, 0), (5, 0, 0), (3, 0, 2)])
def test_last_windows_are_those_of_darts(panel, n, shift, cut):
    sizes = WindowSizes(13, 5, 3, shift)
    ids = panel.ids.to_pylist()
    series = [panel[shop] for shop in ids]
    theirs = SequentialTorchInferenceDataset(
        [one.target[: len(one.target) - cut] for one in series],
        [one.past for one in series],
        [one.future for one in series],
        n=n,
        input_chunk_length=(5, 13),
        output_chunk_length=3,
        output_chunk_shift=shift,
    )
    ours = PanelInferenceDataset(panel, sizes, n, cut=cut)
    assert len(ours) == len(theirs)
    for i in range(len(ours)):
        one, other = ours[i], theirs[i]
        for name in (*FIELDS, "future_past_covariates"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert isinstance(one, TorchInferenceSample)
        assert one.pred_time == other.pred_time
        assert one.series_schema["columns"].equals(other.series_schema["columns"])
        assert ours.position(i) == (ids[i], len(series[i].target) - cut)
    batch = next(iter(DataLoader(ours, 3, collate_fn=_batch_collate_fn_predict)))
    assert batch.past_target.shape == (3, 13, 2)


def test_a_component_that_is_blind_shows_its_last_known_level():
    table = pd.DataFrame({"id": 0, "t": range(7), "y": [5.0] + [np.nan] * 6, "z": 1.0})
    panel = Panel.from_pandas(table, id="id", time="t", target=["y", "z"])
    assert PanelInferenceDataset(panel, WindowSizes(3, 3, 2), 2)[0].past_target[:, 0].tolist()[0] == 5.0


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"n": 7}, "series 's.*' has covariates that end before the 7 steps to forecast"),
        ({"n": 0}, "n=0 must be an integer of at least 1"),
        ({"n": 3, "cut": 25}, "series 's.*' has fewer than the 5 steps that a forecast needs"),
        ({"n": 3, "sizes": WindowSizes(99, 99, 3)}, "fewer than the 99 steps that a forecast needs"),
    ],
)
def test_what_cannot_be_forecast(panel, how, rule):
    with pytest.raises(ValueError, match=rule):
        PanelInferenceDataset(panel, how.pop("sizes", WindowSizes(13, 5, 3)), **how)


def test_an_unknown_future_names_series_and_stamp():
    table = pd.DataFrame({"id": 3, "t": range(7), "y": [1.0] * 5 + [np.nan] * 2, "f": [0.0] * 6 + [np.nan]})
    panel = Panel.from_pandas(table, id="id", time="t", target="y", future="f")
    with pytest.raises(ValueError, match="future covariate 'f' of series 3 is NaN at 6, a step to forecast"):
        PanelInferenceDataset(panel, WindowSizes(3, 3, 2), 2)[0]


def test_series_that_are_all_too_short(panel):
    with pytest.raises(ValueError, match="no series of the panel has the 102 steps that a window needs"):
        PanelTrainingDataset(panel, WindowSizes(97, 97, 3), leave_out=2)
    with pytest.raises(ValueError, match="last=2 must be an integer of at least 3"):
        PanelTrainingDataset(panel, WindowSizes(5, 5, 3), last=2)


@pytest.mark.parametrize(
    ("n", "drawn", "ranks"), [(101, None, 1), (101, 37, 1), (101, 101, 3), (9001, 5003, 2), (7, 7, 7)]
)
def test_an_epoch_has_one_number_of_each_stratum_and_as_many_for_every_rank(n, drawn, ranks, monkeypatch):
    monkeypatch.setattr("darts_tsformers.panels.sampler.BLOCK", 13)
    monkeypatch.setattr("darts_tsformers.panels.sampler.MIXED", 3)
    samplers = [BlockSampler(range(n), drawn, seed=5, num_replicas=ranks, rank=rank) for rank in range(ranks)]
    parts = [list(sampler) for sampler in samplers]
    total = drawn or n
    assert {len(part) for part in parts} == {total // ranks} == {len(sampler) for sampler in samplers}
    whole = list(BlockSampler(range(n), drawn, seed=5))
    assert [number for step in zip(*parts, strict=True) for number in step] == whole[: total // ranks * ranks]
    edges = [i * (n // total) + min(i, n % total) for i in range(total + 1)]
    assert np.histogram(whole, edges)[0].max() == 1
    assert len(set(whole)) == total


def test_epochs_differ_and_can_be_had_again():
    sampler = BlockSampler(range(97), seed=1)
    first = list(sampler)
    sampler.set_epoch(2)
    later = list(sampler)
    sampler.set_epoch(0)
    assert list(sampler) == first != later
    assert first != list(BlockSampler(range(97), seed=2))


def test_numbers_of_an_epoch_that_there_are_not():
    with pytest.raises(ValueError, match="n=8 must be at most 7, the windows that there are"):
        BlockSampler(range(7), 8)
    with pytest.raises(ValueError, match="n=1 must be an integer of at least 2"):
        BlockSampler(range(7), 1, num_replicas=2, rank=1)
