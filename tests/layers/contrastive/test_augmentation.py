import pytest
import torch

from darts_tsformers.layers.contrastive.augmentation import Augmenter, hard_concrete
from tests.helpers import draw, exactly, scatter_
from tests.layers.contrastive import _naive as naive


def augmenter(**kwargs) -> Augmenter:
    return scatter_(Augmenter(3, d_hidden=5, d_model=7, n_blocks=2, kernels=(1, 2), **kwargs))


@pytest.mark.parametrize(("stretch", "margin"), [(0.05, 0.001), (0.3, 0.4), (0, 0.5)])
def test_what_is_drawn_equals_its_definition(stretch, margin):
    log_odds, uniform = 3 * draw(11, seed=1, dtype=torch.float64), draw(11, seed=2, dtype=torch.float64).sigmoid()
    drawn = hard_concrete(log_odds, uniform, hard=False, stretch=stretch, margin=margin)
    expected = [
        naive.hard_concrete(float(h), float(u), stretch, margin) for h, u in zip(log_odds, uniform, strict=True)
    ]
    torch.testing.assert_close(drawn, torch.tensor(expected, dtype=torch.float64))


def test_a_hard_mask_is_a_soft_one_rounded_that_learns_alike():
    log_odds, uniform = 3 * draw(31, seed=1), draw(31, seed=2).sigmoid()
    given = {"stretch": 0.05, "margin": 0.001}
    gradients, masks = [], []
    for hard in (False, True):
        leaf = log_odds.clone().requires_grad_()
        mask = hard_concrete(leaf, uniform, hard=hard, **given)
        gradients.append(torch.autograd.grad((mask * draw(31)).sum(), leaf)[0])
        masks.append(mask.detach())
    soft, rounded = masks
    assert set(rounded.tolist()) == {0.0, 1.0}
    torch.testing.assert_close(rounded, soft.round())
    torch.testing.assert_close(*gradients)


def test_a_value_is_kept_as_often_as_its_odds_say():
    uniform = torch.linspace(0, 1, 10001, dtype=torch.float64)
    for chance in (0.1, 0.5, 0.8):
        log_odds = torch.tensor(chance, dtype=torch.float64).logit().expand_as(uniform)
        kept = hard_concrete(log_odds, uniform, hard=True, stretch=0.0, margin=1e-6).mean()
        assert abs(kept - chance) < 1e-3


def test_nothing_is_left_to_chance_in_the_middle_or_in_evaluation():
    log_odds = draw(7)
    middle = hard_concrete(log_odds, torch.full((7,), 0.5), hard=False, stretch=0.1, margin=0.2)
    torch.testing.assert_close(middle, hard_concrete(log_odds, None, hard=False, stretch=0.1, margin=0.2))
    model, x = augmenter().eval(), draw(2, 11, 3)
    torch.testing.assert_close(model(x).values, model(x).values, rtol=0, atol=0)


def test_a_view_is_masked_and_scaled():
    model, x = augmenter(), draw(2, 11, 3)
    view, (log_odds, scale) = model(x), model.factors(x)
    torch.testing.assert_close(view.kept, log_odds.sigmoid())
    masked = view.values == 0
    assert masked.any()
    assert not masked.all()
    torch.testing.assert_close(view.values, torch.where(masked, 0, scale * x))
    assert not torch.equal(masked, model(x).values == 0)


def test_every_parameter_learns():
    model = augmenter(hard=False)
    view = model(draw(2, 11, 3))
    (view.values * draw(2, 11, 3, seed=4)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hard": 1}, "hard=1 must be True or False"),
        ({"stretch": -0.1}, "stretch=-0.1 must be a finite number of at least 0"),
        ({"margin": 0.0}, "margin=0.0 must be above 0 and at most 0.5"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_argument_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        augmenter(**changes)
