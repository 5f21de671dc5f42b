import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.layers.diffusion_step import step_embedding
from darts_tsformers.layers.recurrent.s4 import BidirectionalS4
from darts_tsformers.layers.recurrent.s4_denoiser import GatedS4Block, S4Denoiser
from darts_tsformers.recurrence.naive import s4 as naive
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly

SIZES = {"d_model": 5, "d_state": 6, "length": 7}


def layer(**overrides) -> BidirectionalS4:
    torch.manual_seed(0)
    return BidirectionalS4(**SIZES | overrides).double()


def denoiser(**overrides) -> S4Denoiser:
    torch.manual_seed(0)
    sizes = {"n_in": 3, "n_out": 2, "length": 7, "d_model": 5, "d_step": 6, "d_state": 4, "n_layers": 2}
    return S4Denoiser(**sizes | overrides).double()


def answered(block: BidirectionalS4, x: Tensor) -> Tensor:
    """Answer step by step, with the kernels that the layer has."""
    onward, back = block.kernels()
    out = naive.two_way(x, onward, back) + block.skip * x
    return block.project_out(F.gelu(out))


@pytest.mark.parametrize("sizes", [{}, {"length": 1}, {"d_model": 1, "d_state": 2}, {"length": 12}])
@pytest.mark.parametrize("batch", [1, 3])
def test_it_is_what_its_equation_says(sizes, batch):
    block = layer(**sizes)
    x = draw(batch, block.length, block.project_out.in_features, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(block(x), answered(block, x), [x, *block.parameters()])


def test_kernels_are_those_of_the_recurrence_that_it_starts_with():
    """Of a memory in Legendre polynomials, read by vectors of normal numbers."""
    torch.manual_seed(3)
    block = BidirectionalS4(2, 4, 13)
    torch.manual_seed(3)
    low, high = math.log(1e-3), math.log(1e-1)
    log_step = low + (high - low) * torch.rand(2)
    read = torch.view_as_complex((torch.randn(2, 2, 2, 2) * 0.5**0.5).double())
    poles = torch.complex(-block.log_decay.double().exp(), block.frequency.double())
    low_rank, write = (torch.view_as_complex(one.double()) for one in (block.low_rank, block.write))
    for way in range(2):
        for d in range(2):
            step = float(log_step[d].double().exp())
            expected = naive.s4_kernel(poles[d], low_rank[d], write[d], read[way, d], step, 13)
            torch.testing.assert_close(block.kernels()[way, d].double(), expected, rtol=1e-3, atol=1e-4)


def test_every_token_sees_every_other():
    block, x = layer(), draw(1, 7, 5, dtype=torch.float64)
    before = block(x)
    for i in range(7):
        moved = x.clone()
        moved[:, i] += 1
        assert not torch.isclose(block(moved), before).any()


def test_bfloat16_is_close():
    block = layer().float()
    x = draw(2, 7, 5)
    half = BidirectionalS4(**SIZES).bfloat16()
    half.load_state_dict({name: one.bfloat16() for name, one in block.state_dict().items()})
    assert half(x.bfloat16()).dtype == torch.bfloat16
    torch.testing.assert_close(half(x.bfloat16()).float(), block(x), rtol=0.1, atol=0.1)


def by_definition(network: S4Denoiser, x: Tensor, t: Tensor, features: Tensor | None) -> Tensor:
    step = step_embedding(t, network.d_step)
    for part in network.project_step:
        step = part(step)
    hidden, total = F.relu(network.project_in(x)), 0
    for block in network.blocks:
        moved = hidden + block.of_step(step)[:, None]
        out = moved + answered(block.mixer, F.layer_norm(moved, (5,), block.norm.weight, block.norm.bias))
        if features is not None:
            out = out + block.features(features)
        gated = torch.tanh(out) / (1 + torch.exp(-out))
        total = total + block.shown(gated)
        if block.onward is not None:
            hidden = hidden + block.onward(gated)
    first, _, last = network.project_out
    guess = last(F.relu(first(total)))
    return guess + x[..., :2] if network.skips else guess


@pytest.mark.parametrize("options", [{}, {"skips": True, "n_features": 3}, {"n_layers": 1}])
def test_a_denoiser_is_what_its_equations_say(options):
    network = denoiser(**options)
    for block in network.blocks:
        if block.features is not None:
            torch.nn.init.normal_(block.features.weight)
    x, t = draw(2, 7, 3, dtype=torch.float64).requires_grad_(), torch.tensor([0, 11])
    features = draw(2, 7, 3, seed=1, dtype=torch.float64) if options.get("n_features") else None
    ours = network(x, t, network.known(features))
    assert_same_with_gradients(ours, by_definition(network, x, t, features), [x, *network.parameters()])


def test_features_add_nothing_at_the_start():
    network = denoiser(n_features=3)
    x, t = draw(2, 7, 3, dtype=torch.float64), torch.tensor([0, 11])
    assert torch.equal(network(x, t, network.known(draw(2, 7, 3, seed=1, dtype=torch.float64))), network(x, t))


def test_a_last_block_hands_its_input_on():
    block = GatedS4Block(5, 4, 7, hands_on=False)
    x = draw(2, 7, 5)
    handed_on, _ = block(x, draw(2, 5, seed=1), block.known(None))
    assert torch.equal(handed_on, x)


def test_dropout_is_in_every_layer():
    network = denoiser(dropout=0.3)
    calls = count_dropouts(network)
    network(draw(2, 7, 3, dtype=torch.float64), torch.tensor([0, 11]))
    assert calls == {f"blocks.{i}.mixer.dropout": 1 for i in range(2)}


@pytest.mark.parametrize(
    ("build", "sizes", "message"),
    [
        (layer, {"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        (layer, {"length": 0}, "length=0 must be an integer of at least 1"),
        (layer, {"d_state": 1}, "d_state=1 must be an integer of at least 2"),
        (layer, {"d_state": 5}, "d_state=5 must be even: its numbers are pairs"),
        (denoiser, {"n_layers": 0}, "n_layers=0 must be an integer of at least 1"),
        (denoiser, {"d_step": 3}, "d_step=3 must be even: it is sines and cosines"),
    ],
)
def test_bad_sizes(build, sizes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        build(**sizes)
