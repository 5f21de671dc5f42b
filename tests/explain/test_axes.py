"""Pictures on axes that are given."""

import pytest
from matplotlib.figure import Figure

from darts_tsformers.explain import explain
from tests.contracts.cases import CASE, make_data


@pytest.fixture(scope="module")
def explanation():
    return explain(CASE["FEDformerModel"].model().fit(make_data().series))


@pytest.mark.parametrize("kind", ["lags", "decomposition"])
def test_a_picture_takes_the_place_of_axes(explanation, kind):
    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    assert explanation.plot(kind, ax=right) is right
    (taken,) = figure.subfigs
    alone = explanation.plot(kind)
    assert len(taken.axes) == len(alone.axes)
    assert taken.get_suptitle() == alone.get_suptitle()
    assert left.axison
    assert not right.axison
    figure.canvas.draw()


def test_axes_without_a_place_in_a_grid_are_refused(explanation):
    axes = Figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match="must be axes of a grid, such as those of matplotlib's subplots"):
        explanation.plot("lags", ax=axes)
