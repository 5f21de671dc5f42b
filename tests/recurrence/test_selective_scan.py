from importlib import import_module

import pytest
import torch
from torch import Tensor

from darts_tsformers.recurrence import _scan_in_blocks, selective_scan, selective_step
from darts_tsformers.recurrence.naive.selective_scan import selective_scan as naive_scan
from tests.helpers import draw, exactly

NAMES = ("x", "delta", "A", "B", "C", "D", "state")
SIZES = [(3, 29, 5, 7), (1, 13, 3, 2), (2, 1, 5, 3), (2, 17, 1, 3), (3, 11, 5, 1), (1, 1, 1, 1), (7, 31, 2, 3)]
every_size = pytest.mark.parametrize("sizes", SIZES, ids=lambda s: "B{}-L{}-D{}-n{}".format(*s))


def make(batch: int, length: int, width: int, n: int, *, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Draw what a scan takes, in the order of ``NAMES``."""
    shapes = [(batch, length, width)] * 2 + [(width, n)] + [(batch, length, n)] * 2 + [(width,), (batch, width, n)]
    tensors = [draw(*shape, seed=seed, dtype=dtype) for seed, shape in enumerate(shapes)]
    tensors[1] = torch.nn.functional.softplus(tensors[1])
    tensors[2] = -tensors[2].exp()
    return [t.requires_grad_() for t in tensors]


def gradients(outputs: tuple[Tensor, Tensor], inputs: list[Tensor]) -> tuple[Tensor, ...]:
    probes = [draw(*out.shape, seed=11 + i, dtype=out.dtype) for i, out in enumerate(outputs)]
    return torch.autograd.grad(outputs, inputs, probes)


def assert_like_the_naive_scan(inputs: list[Tensor]) -> None:
    ours, theirs = selective_scan(*inputs), naive_scan(*inputs)
    torch.testing.assert_close(ours, theirs)
    for name, our, their in zip(NAMES, gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        torch.testing.assert_close(our, their, msg=lambda m, name=name: f"gradient of {name}: {m}")


@pytest.fixture(params=["kept", "computed again", "computed again in small blocks", "traced"])
def way(request, monkeypatch):
    """All ways to have the states in the backward pass; small blocks cut samples and steps."""
    if request.param == "traced":
        monkeypatch.setattr(import_module("darts_tsformers.recurrence.selective_scan"), "is_traced", lambda: True)
    if request.param.startswith("computed again"):
        monkeypatch.setattr(_scan_in_blocks, "KEPT", 0)
    if request.param == "computed again in small blocks":
        monkeypatch.setattr(_scan_in_blocks, "STEP", 19)
        monkeypatch.setattr(_scan_in_blocks, "BLOCK", 83)


@every_size
@pytest.mark.usefixtures("way")
def test_it_is_the_naive_scan(sizes):
    assert_like_the_naive_scan(make(*sizes))


@pytest.mark.parametrize("left_out", [("D",), ("state",), ("D", "state")], ids="-".join)
def test_without_a_weight_of_the_input_or_a_first_state(left_out):
    named = {k: v for k, v in zip(NAMES, make(3, 13, 5, 2), strict=True) if k not in left_out}
    ours, theirs = selective_scan(**named), naive_scan(**named)
    torch.testing.assert_close(ours, theirs)
    inputs = list(named.values())
    for our, their in zip(gradients(ours, inputs), gradients(theirs, inputs), strict=True):
        torch.testing.assert_close(our, their)


@pytest.mark.usefixtures("way")
def test_its_gradients_are_right():
    assert torch.autograd.gradcheck(selective_scan, make(3, 5, 2, 3))


def test_the_gradient_of_the_last_state_alone():
    inputs = make(2, 7, 3, 5)[:5]
    ours, theirs = (
        torch.autograd.grad(scan(*inputs)[1].square().sum(), inputs[:4]) for scan in (selective_scan, naive_scan)
    )
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their)


@pytest.mark.usefixtures("way")
def test_a_graph_can_be_gone_through_twice():
    inputs = make(3, 13, 5, 2)
    out = selective_scan(*inputs)[0].sum()
    first, second = (torch.autograd.grad(out, inputs[:6], retain_graph=True) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_its_second_derivatives_are_right():
    assert torch.autograd.gradgradcheck(selective_scan, make(2, 3, 2, 3))


def test_second_derivatives_where_inputs_are_shared_or_constant():
    x, delta, A, B, *_ = make(2, 5, 3, 7)
    curvatures = []
    for scan in (selective_scan, naive_scan):
        (slope,) = torch.autograd.grad(scan(x.detach(), delta, A, B, B)[0].sum(), B, create_graph=True)
        curvatures.append(torch.autograd.grad(slope.square().sum(), (delta, A, B)))
    torch.testing.assert_close(*curvatures)


def test_tensors_in_other_layouts():
    x, delta, A, B, C, D, state = (t.detach() for t in make(3, 13, 5, 2))
    strided = [t.mT.contiguous().mT for t in (x, delta, A, B, C)] + [
        D.repeat_interleave(2)[::2],
        state.mT.contiguous().mT,
    ]
    assert not any(t.is_contiguous() for t in strided)
    assert_like_the_naive_scan([t.requires_grad_() for t in strided])


def test_an_expanded_gradient():
    inputs = make(3, 13, 5, 2)
    ours, theirs = (torch.autograd.grad(scan(*inputs)[0].sum(), inputs[:6]) for scan in (selective_scan, naive_scan))
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single_precision(dtype):
    halves = [t.detach().to(dtype).requires_grad_() for t in make(3, 29, 5, 7, dtype=torch.float32)]
    singles = [t.detach().float().requires_grad_() for t in halves]
    ours, theirs = selective_scan(*halves), naive_scan(*singles)
    assert [t.dtype for t in ours] == [dtype, torch.float32]
    torch.testing.assert_close(ours[0], theirs[0].to(dtype))
    torch.testing.assert_close(ours[1], theirs[1])
    for our, their in zip(gradients(ours, halves), gradients(theirs, singles), strict=True):
        assert our.dtype == dtype
        torch.testing.assert_close(our.float(), their, rtol=0.02, atol=0.02 * their.abs().max().item())


def test_autocast_does_not_round_the_scan():
    inputs = make(3, 13, 5, 2, dtype=torch.float32)
    expected = selective_scan(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        out = selective_scan(*inputs)
        slopes = gradients(out, inputs)
        step = selective_step(*(t[:, 0] if t.ndim == 3 and t.shape[1] == 13 else t for t in inputs))
    for a, b in zip((*out, *slopes), (*expected, *gradients(expected, inputs)), strict=True):
        assert torch.equal(a, b)
    torch.testing.assert_close(step[0], expected[0][:, 0])


@pytest.mark.usefixtures("way")
def test_a_sample_does_not_depend_on_its_batch_mates():
    x, delta, A, B, C, D, state = make(5, 13, 3, 7)
    whole, last = selective_scan(x, delta, A, B, C, D, state)
    one = slice(2, 3)
    alone, alone_last = selective_scan(x[one], delta[one], A, B[one], C[one], D, state[one])
    torch.testing.assert_close(whole[one], alone, rtol=0, atol=1e-14)
    torch.testing.assert_close(last[one], alone_last, rtol=0, atol=1e-14)


@pytest.mark.usefixtures("way")
def test_no_step_sees_a_later_one():
    inputs = [t.detach() for t in make(3, 29, 5, 7)]
    before, _ = selective_scan(*inputs)
    for i in (0, 1, 3, 4):
        inputs[i][:, 17:] += 3
    after, _ = selective_scan(*inputs)
    assert torch.equal(before[:, :17], after[:, :17])
    assert not torch.isclose(before[:, 17:], after[:, 17:]).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_gradients(context, dtype):
    inputs = [t.detach() for t in make(3, 13, 5, 2, dtype=dtype)]
    with context():
        out, state = selective_scan(*inputs)
    assert out.dtype == state.dtype == dtype
    torch.testing.assert_close((out.clone(), state.clone()), naive_scan(*inputs))


def test_steps_are_the_scan():
    x, delta, A, B, C, D, state = make(3, 13, 5, 7)
    whole, last = selective_scan(x, delta, A, B, C, D, state)
    for t in range(13):
        y, state = selective_step(x[:, t], delta[:, t], A, B[:, t], C[:, t], D, state)
        torch.testing.assert_close(y, whole[:, t], rtol=0, atol=1e-12)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-12)


def test_large_steps_do_not_overflow():
    """Where decays vanish, ways that divide by their products give NaN."""
    inputs = [t.detach() for t in make(2, 37, 3, 5, dtype=torch.float32)]
    inputs[1] *= 50
    inputs = [t.requires_grad_() for t in inputs]
    assert_like_the_naive_scan(inputs)


class Module(torch.nn.Module):
    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        return selective_scan(*inputs)


def test_an_exported_scan():
    inputs = tuple(t.detach() for t in make(3, 13, 5, 7))
    exported = torch.export.export(Module(), inputs).module()
    torch.testing.assert_close(exported(*inputs), naive_scan(*inputs))


def test_the_states_of_a_long_scan_are_not_kept(monkeypatch):
    """What is kept grows with the inputs and with the blocks, not with the number of states."""
    monkeypatch.setattr(_scan_in_blocks, "KEPT", 0)
    monkeypatch.setattr(_scan_in_blocks, "BLOCK", 32 * 3 * 11 * 13)
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    inputs = make(3, 509, 11, 13)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        selective_scan(*inputs)
    inputs_and_blocks = sum(t.numel() for t in inputs) + 16 * 3 * 11 * 13
    assert sum(kept.values()) <= inputs_and_blocks < 3 * 509 * 11 * 13 / 2


def test_what_runs_on_an_accelerator_is_not_cut_small():
    assert len(_scan_in_blocks._blocks(torch.empty(128, 512, 64, device="meta"), 16)) == 1
    assert len(_scan_in_blocks._blocks(torch.empty(128, 512, 64), 16)) == 4


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", NAMES[1:])
def test_a_wrong_shape_is_named(name):
    named = dict(zip(NAMES, make(3, 13, 5, 2), strict=True))
    shape = tuple(named[name].shape)
    wrong = (shape[0] + 1, *shape[1:])
    named[name] = torch.ones(wrong)
    with pytest.raises(ValueError, match=exactly(f"{name} of shape {wrong} must be of shape {shape}, beside x and A")):
        selective_scan(**named)
