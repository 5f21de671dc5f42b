"""How rows come, how far a stream goes on, and what it costs."""

import numpy as np
import pytest
import torch

from darts_tsformers import LogSparseTransformerModel
from tests.adapter.streams import H, L, assert_same, every_model, fitted, make, one
from tests.contracts.cases import KINDS, TRAINER, make_data
from tests.helpers import watch_sizes


@every_model
def test_rows_may_come_in_any_form(name):
    data = make()
    model = fitted(name, data)
    y, past, future = (x.values() for x in (data.series, data.past_covariates, data.future_covariates))
    theirs = one(model.stream(data.series[:20], **data.covariates()).update(data.series[20:27]))

    def begun():
        return model.stream(data.series[:20], data.past_covariates[:20], data.future_covariates[:23])

    assert_same(one(begun().update(y[20:27], past[20:27], future[23:33])), theirs)
    stream = begun()
    for i in range(20, 27):
        stream.update(y[i].tolist(), past_covariates=past[i], future_covariates=future[i + 3])
    assert_same(
        one(stream.update(y[27], past[27], future[30:33])), one(begun().update(y[20:28], past[20:28], future[23:33]))
    )
    stream = begun().update(data.series[20:27], data.past_covariates[5:60], data.future_covariates[:33])
    assert_same(one(stream), theirs)
    assert stream.end_time == data.series.time_index[26]


def test_a_number_is_a_row_of_one_component():
    data = make_data(1, (), length=73, index="range")
    model = fitted("fading", data)
    y = data.series.values().ravel()
    theirs = one(model.stream(data.series[:30]))
    assert_same(one(model.stream(data.series[:28]).update(float(y[28])).update(y[29])), theirs)
    assert_same(one(model.stream(data.series[:20]).update(y[20:30])), theirs)
    assert model.stream(data.series[:20]).update(y[20:30]).end_time == data.series.time_index[29]


def test_what_is_said_later_of_covariates_to_come_counts():
    data = make(("future",))
    model = fitted("fading", data)
    moved = data.future_covariates.with_values(data.future_covariates.values() + 1)
    stream = model.stream(data.series[:20], future_covariates=data.future_covariates)
    stream.update(data.series[20:21], future_covariates=moved[21:])
    theirs = model.stream(data.series[:20], future_covariates=data.future_covariates[:21].append(moved[21:]))
    assert_same(one(stream), one(theirs.update(data.series[20:21])))


@pytest.mark.parametrize("norm", ["running", False])
def test_a_recurrent_network_remembers_more_than_predict_sees(norm):
    data = make_data(3, (), length=200)
    model = fitted("fading", data, use_instance_norm=norm)
    torch.nn.init.constant_(model.model.forecaster.network.rate, 3.0)  # 0.95 of what was a row before
    stream = model.stream(data.series[:60]).update(data.series[60:200])
    theirs = model.predict(H, data.series, verbose=False).all_values()
    assert np.isfinite(one(stream)[0]).all()
    difference = np.abs(one(stream)[0] - theirs).max() / np.abs(theirs).max()
    assert 1e-7 < difference < 0.5


def test_one_with_a_table_of_positions_begins_anew_on_its_recent_rows():
    data = make_data(3, (), length=200)
    model = fitted("log-sparse", data, use_instance_norm=False)
    stream = model.stream(data.series[:60])
    n_rows = 60
    for k in range(60, 200):
        stream.update(data.series[k : k + 1])
        n_rows = n_rows + 1 if n_rows < L else L // 2
        if k % 20 == 0 or n_rows == L // 2:
            theirs = model.predict(H, data.series[k + 1 - n_rows : k + 1], verbose=False).all_values()
            assert_same(one(stream), [theirs])


def test_streams_share_a_model_and_nothing_else():
    data = make()
    model = fitted("log-sparse", data)
    first = model.stream(data.series[:20], **data.covariates())
    before = one(first)
    second = model.stream(data.series[:30], **data.covariates()).update(data.series[30:40])
    assert_same(one(first), before)
    theirs = model.predict(H, data.series[:40], **data.covariates(), verbose=False)
    assert_same(one(second), [theirs.all_values()])


@every_model
def test_a_saved_model_streams_as_before(name, tmp_path):
    data = make()
    model = fitted(name, data)
    model.save(str(tmp_path / "model.pt"))
    loaded = type(model).load(str(tmp_path / "model.pt"), pl_trainer_kwargs=TRAINER)
    ours, theirs = (m.stream(data.series[:20], **data.covariates()).update(data.series[20:25]) for m in (loaded, model))
    np.testing.assert_array_equal(one(ours)[0], one(theirs)[0])


def test_training_goes_on_after_a_stream():
    data = make()
    model = fitted("log-sparse", data)
    model.model.train()
    frozen = model.model.forecaster.network.layers[0].eval()
    model.stream(data.series[:20], **data.covariates()).update(data.series[20:25]).forecast()
    assert model.model.training
    assert not frozen.training
    model.fit(data.series, **data.covariates(), epochs=1, verbose=False)
    assert np.isfinite(one(model.stream(data.series[:20], **data.covariates()))[0]).all()


def elements_of_an_update(lookback: int) -> int:
    model = LogSparseTransformerModel(
        lookback,
        3,
        min_input_chunk_length=1,
        n_epochs=0,
        pl_trainer_kwargs=TRAINER,
        use_instance_norm="running",
        positions="history",
    )
    data = make_data(2, KINDS, length=1100)
    model.fit(data.series, **data.covariates(), verbose=False)
    stream = model.stream(data.series[: lookback - 2], **data.covariates())
    with watch_sizes() as seen:
        stream.update(data.series[lookback - 2 : lookback - 1]).forecast()
    return sum(seen)


def test_the_cost_of_an_update_grows_with_the_logarithm_of_the_look_back():
    counts = [elements_of_an_update(lookback) for lookback in (65, 257, 1025)]
    assert counts[1] - counts[0] == pytest.approx(counts[2] - counts[1], rel=0.1)
    assert counts[2] < 1.5 * counts[0]
