"""Threads that share a model forecast what one alone does, and leave the model as it was."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from darts.utils.likelihood_models.torch import GaussianLikelihood

from darts_tsformers.adapter.forecasting.alone import forecasting
from darts_tsformers.explain import explain, reliance
from tests.contracts.cases import CASE, H, make_data

SERIES = [make_data(2, (), seed=seed).series for seed in range(5)]
N_THREADS = 8


def model_of(name: str, **arguments):
    return CASE[name].model(**arguments).fit(SERIES)


def state_of(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.model.state_dict().items()}


def in_threads(work, n: int) -> list:
    """Do something ``n`` times in some threads that begin together."""
    ready = threading.Barrier(N_THREADS)

    def share(k: int) -> list:
        ready.wait()
        return [(i, work(i)) for i in range(k, n, N_THREADS)]

    with ThreadPoolExecutor(N_THREADS) as pool:
        done = [one for part in pool.map(share, range(N_THREADS)) for one in part]
    return [found for _, found in sorted(done, key=lambda one: one[0])]


@pytest.mark.parametrize("name", ["PatchTSTModel", "InformerModel"])
def test_forecasts_of_threads_are_those_of_one(name):
    model = model_of(name, dropout=0.1, use_reversible_instance_norm=True)
    expected = [model.predict(H + 2, one).values() for one in SERIES]
    before, modes = state_of(model), [part.training for part in model.model.modules()]
    for i, found in enumerate(in_threads(lambda i: model.predict(H + 2, SERIES[i % 5]).values(), 40)):
        assert np.array_equal(found, expected[i % 5])
    after = model.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert [part.training for part in model.model.modules()] == modes


def test_samples_of_several_models_are_those_of_their_seeds():
    models = [model_of(name, likelihood=GaussianLikelihood()) for name in ("PatchTSTModel", "ITransformerModel")]

    def sample(i: int) -> np.ndarray:
        return models[i % 2].predict(H, SERIES[i % 5], num_samples=7, random_state=i).all_values()

    expected = [sample(i) for i in range(20)]
    torch.manual_seed(11)
    state = torch.get_rng_state()
    for found, alone in zip(in_threads(sample, 20), expected, strict=True):
        assert np.array_equal(found, alone)
    assert torch.equal(torch.get_rng_state(), state)


def test_explanations_forecasts_streams_and_files_beside_each_other(tmp_path: Path):
    model = model_of("LogSparseTransformerModel-history", likelihood=GaussianLikelihood())

    def explained(i: int) -> tuple:
        e = explain(model, SERIES[i % 5])
        return [np.asarray(one) for one in e.mean_maps.values()], e.forecasts[0].values(), len(e.origins)

    def relied_on(i: int) -> tuple:
        data = reliance(model, SERIES[i % 5], max_windows=5, random_state=0).data
        return (data["change"].to_numpy(), data["error"].to_numpy())

    def forecast(i: int) -> tuple:
        return (model.predict(H, SERIES[i % 5], random_state=3).values(),)

    def streamed(i: int) -> tuple:
        stream = model.stream(SERIES[i % 5][:-2]).update(SERIES[i % 5][-2:])
        return (stream.forecast(predict_likelihood_parameters=True).values(),)

    def stored(i: int) -> tuple:
        model.save(tmp_path / f"{i}.pt")
        return (type(model).load(tmp_path / f"{i}.pt").predict(H, SERIES[i % 5], random_state=3).values(),)

    ways = [explained, forecast, relied_on, streamed, stored, forecast, explained]
    expected = [ways[i % 7](i) for i in range(21)]
    before = state_of(model)
    for found, alone in zip(in_threads(lambda i: ways[i % 7](i), 21), expected, strict=True):
        for ours, theirs in zip(found, alone, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert all(torch.equal(value, before[name]) for name, value in model.model.state_dict().items())
    assert not model.model._forward_hooks


def test_a_forecast_waits_for_a_training_of_its_model_and_not_for_others():
    training, other = model_of("ITransformerModel"), model_of("PatchTSTModel")
    with ThreadPoolExecutor(2) as pool, training._lock:
        waiting = pool.submit(training.predict, H, SERIES[0])
        pool.submit(other.predict, H, SERIES[0]).result(timeout=60)
        assert not waiting.done()
    assert np.isfinite(waiting.result(timeout=60).values()).all()


def test_a_copy_has_a_lock_of_its_own(tmp_path: Path):
    model = model_of("ITransformerModel")
    with forecasting(model):
        copy = model.untrained_model().fit(SERIES)
        model.save(tmp_path / "a.pt")
    loaded = type(model).load(tmp_path / "a.pt")
    assert len({id(one._lock) for one in (model, copy, loaded)}) == 3
    assert not [name for name in model.__getstate__() if "lock" in name]
