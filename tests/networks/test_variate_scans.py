"""What holds for every network that scans over variates."""

from dataclasses import replace
from types import ModuleType

import pytest
import torch

from tests.helpers import make_window, rows, scatter_
from tests.networks import test_chimera, test_mambamixer, test_smamba
from tests.networks.variates import moved_about

SCANS = [test_chimera, test_mambamixer, test_smamba]
every_network = pytest.mark.parametrize("of", SCANS, ids=lambda of: of.__name__.rpartition("_")[2])
every_order = pytest.mark.parametrize("variate_order", ["given", "correlation"])


@every_network
@pytest.mark.parametrize("sizes", ["SIZES", "ALL_COVARIATES"])
def test_permuting_the_variates_permutes_the_forecast_if_they_are_ordered_by_correlation(of: ModuleType, sizes):
    sizes = getattr(of, sizes)
    window, order = make_window(sizes), torch.tensor([2, 0, 1])
    model = scatter_(of.network(sizes, variate_order="correlation")).eval()
    torch.testing.assert_close(model(window)[:, :, order], model(moved_about(window, order)))


@every_network
@every_order
def test_a_network_built_for_three_variates_serves_five(of: ModuleType, variate_order):
    three, five = (replace(of.ALL_COVARIATES, n_targets=n) for n in (3, 5))
    model, other = (of.network(sizes, variate_order=variate_order).eval() for sizes in (three, five))
    other.load_state_dict(scatter_(model).state_dict())
    window = make_window(five)
    assert model.width_tie is None
    assert model(window).shape == (3, 5, 5, 1)
    assert torch.equal(model(window), other(window))


@every_network
@every_order
def test_a_sample_does_not_depend_on_its_batch_mates(of: ModuleType, variate_order):
    model = scatter_(of.network(of.ALL_COVARIATES, variate_order=variate_order)).eval()
    window = make_window(of.ALL_COVARIATES)
    torch.testing.assert_close(model(rows(window, slice(1, 2))), model(window)[1:2])


@every_network
@every_order
@pytest.mark.parametrize("name", ["target", "past", "historic_future", "future", "static"])
def test_every_component_listens_to_all_there_is(of: ModuleType, name, variate_order):
    model = scatter_(of.network(of.ALL_COVARIATES, variate_order=variate_order)).eval()
    window = make_window(of.ALL_COVARIATES)
    for i in range(getattr(window, name).shape[-1]):
        moved = getattr(window, name).clone()
        moved[..., i] += 1
        assert not torch.isclose(model(window), model(replace(window, **{name: moved}))).flatten(3).all(1).any()
