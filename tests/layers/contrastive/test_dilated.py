import pytest
import torch

from darts_tsformers.layers.contrastive.dilated import DilatedEncoder
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_
from tests.layers.contrastive import _naive as naive

either_way = pytest.mark.parametrize("causal", [True, False], ids=["causal", "same"])


def encoder(causal: bool, **kwargs) -> DilatedEncoder:
    sizes = {"d_hidden": 5, "d_model": 7, "n_blocks": 3, "kernels": (1, 2, 4)}
    return scatter_(DilatedEncoder(3, **sizes | kwargs, causal=causal)).double()


@either_way
@pytest.mark.parametrize("length", [1, 2, 11])
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_equals_its_definition(causal, length, n_blocks):
    model, x = encoder(causal, n_blocks=n_blocks), draw(2, length, 3, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(model(x), naive.encoder(model, x, causal), [x, *model.parameters()])


@either_way
@pytest.mark.parametrize("length", [1, 3, 11])
def test_the_last_step_can_be_had_alone(causal, length):
    model, x = encoder(causal), draw(2, length, 3, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(model.last(x), model(x)[:, -1], [x, *model.parameters()])


def test_which_steps_see_which():
    def seen(causal: bool) -> list[bool]:
        x = draw(1, 11, 3, dtype=torch.float64).requires_grad_()
        encoder(causal, n_blocks=2, kernels=(1,))(x)[:, 5].sum().backward()
        return [step.abs().sum() > 0 for step in x.grad[0]]

    assert seen(causal=True) == [t <= 5 for t in range(11)]
    assert seen(causal=False) == [abs(t - 5) <= 6 for t in range(11)]


def test_every_parameter_learns():
    model = encoder(causal=True, d_model=5)
    model(draw(2, 11, 3, dtype=torch.float64)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_blocks": 0}, "n_blocks=0 must be an integer of at least 1"),
        ({"d_hidden": 0}, "d_hidden=0 must be an integer of at least 1"),
        ({"kernels": ()}, "n_kernels=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_size_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        encoder(True, **changes)
