"""What holds for every network that draws paths by a diffusion."""

from dataclasses import replace
from types import ModuleType

import pytest
import torch

from darts_tsformers.window import Window
from tests.helpers import make_window, rows
from tests.networks import test_gpd, test_tsdiff
from tests.networks.diffusions import with_future

DIFFUSIONS = [test_gpd, test_tsdiff]
FORMS = [
    pytest.param(one, form, id=f"{one.__name__.rpartition('_')[2]}-{name}")
    for one in DIFFUSIONS
    for name, form in one.FORMS.items()
]
every_form = pytest.mark.parametrize(("of", "form"), FORMS)


@pytest.mark.parametrize("of", DIFFUSIONS, ids=lambda of: of.__name__.rpartition("_")[2])
def test_validation_is_the_same_each_time_and_training_is_not(of: ModuleType):
    model, window = of.network(), with_future(make_window(of.SIZES))
    first, again = (model.learn(window).lessons[0].forecast for _ in range(2))
    assert torch.equal(first, again)
    model.train()
    first, again = (model.learn(window).lessons[0].forecast for _ in range(2))
    assert not torch.isclose(first, again).all()


@every_form
def test_a_sample_does_not_depend_on_its_batch_mates(of: ModuleType, form):
    model, window = of.network(of.ALL_COVARIATES, **form), make_window(of.ALL_COVARIATES)
    torch.testing.assert_close(model(rows(window, slice(1, 2))), model(window)[1:2], rtol=1e-4, atol=1e-4)


@every_form
def test_components_do_not_look_at_each_other(of: ModuleType, form):
    model, window = of.network(**form), make_window(of.SIZES)
    moved = window.target.clone()
    moved[..., 1] += 3
    before, after = (model(Window(one)) for one in (window.target, moved))
    torch.testing.assert_close(before[:, :, [0, 2]], after[:, :, [0, 2]], rtol=1e-4, atol=1e-4)
    assert (before[:, :, 1] - after[:, :, 1]).abs().max() > 1e-3


@every_form
def test_what_is_missing_is_not_known(of: ModuleType, form):
    model, window = of.network(**form), make_window(of.SIZES)
    missing = torch.zeros_like(window.target, dtype=torch.bool)
    missing[:, 4:9, 1] = True
    one, other = (
        replace(window, target=window.target.masked_fill(missing, value), missing=missing) for value in (0, 9)
    )
    assert torch.equal(model(one), model(other))
    assert not torch.isclose(model(one), model(replace(one, missing=None))).all()
