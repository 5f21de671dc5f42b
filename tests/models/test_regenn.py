"""What ReGENN learns before it is trained, and what is to be read off it."""

import numpy as np
import pytest
from darts import TimeSeries

from darts_tsformers.explain import explain
from darts_tsformers.models import ReGENNModel
from tests.contracts.cases import TRAINER, make_data

NAMES = ["cases", "deaths"]


def panel(n: int, *, gaps: float = 0.0) -> list[TimeSeries]:
    drawn = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(41 + 6 * seed, 2)).cumsum(axis=0)
        values[:, 1] = 0.7 * values[:, 0] + rng.normal(size=len(values))
        values = (10 * seed + values) * (1 + seed)
        values[rng.random(values.shape) < gaps] = np.nan
        drawn.append(TimeSeries.from_values(values.astype("float32"), columns=NAMES))
    return drawn


def fitted(series: list[TimeSeries], **arguments) -> ReGENNModel:
    own = {"d_ff": 11, "n_epochs": 1, "random_state": 7, "pl_trainer_kwargs": TRAINER}
    fit = {name: arguments.pop(name) for name in ("val_series",) if name in arguments}
    return ReGENNModel(13, 5, **own | arguments).fit(series, **fit)


def graph_of(model: ReGENNModel) -> np.ndarray:
    return model.model.forecaster.network.graph.numpy()


def test_the_graph_is_the_correlation_over_the_training_part():
    series = panel(3)
    values = [one.values() for one in series]
    standardised = np.concatenate([(x - x.mean(axis=0)) / x.std(axis=0) for x in values])
    expected = (standardised[:, 0] * standardised[:, 1]).mean()
    model = fitted(series, val_series=[one * -1 for one in series])
    np.testing.assert_allclose(graph_of(model), [[1, expected], [expected, 1]], rtol=1e-4)


@pytest.mark.parametrize("graph", ["correlation", "co_occurrence"])
def test_it_stays_when_a_model_is_fitted_again_or_loaded(graph, tmp_path):
    series = panel(3, gaps=0.2)
    model = fitted(series, graph=graph)
    before = graph_of(model).copy()
    model.fit([one * -1 for one in series], epochs=1)
    np.testing.assert_array_equal(graph_of(model), before)
    model.save(tmp_path / "model.pt")
    np.testing.assert_array_equal(graph_of(ReGENNModel.load(tmp_path / "model.pt")), before)


def test_the_evolved_graph_can_be_read_by_name():
    data = make_data()
    model = fitted([data.series], n_encoder_layers=0)
    (shares,) = explain(model, data.series).maps.values()
    sizes = model.model.forecaster.network.evolved_graph().abs().detach()
    assert shares.attrs["exact"] is False
    for i in range(3):
        for j in range(3):
            share = shares.sel(query=f"y{i}", key=f"y{j}").item()
            assert share == pytest.approx((sizes[i, j] / sizes[i].sum()).item(), rel=1e-4)


def test_a_model_is_refused_other_components():
    model = fitted(panel(2))
    with pytest.raises(ValueError, match="components"):
        model.predict(5, make_data().series)


def test_other_values_of_a_batch_do_not_move_a_forecast():
    first, second = panel(2)
    model = fitted([first, second])
    alone = model.predict(5, first).values()
    beside = model.predict(5, [first, second * 100])[0].values()
    np.testing.assert_allclose(alone, beside, rtol=1e-5)
