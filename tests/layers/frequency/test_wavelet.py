import math

import numpy as np
import pytest
import torch
from numpy.polynomial import Polynomial

from darts_tsformers.layers.frequency import wavelet
from darts_tsformers.layers.frequency.legendre import legendre_filters, merge, split
from darts_tsformers.layers.frequency.spectrum import PartialFourier
from darts_tsformers.layers.frequency.wavelet import MultiwaveletAttention, MultiwaveletBlock
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_, watch_sizes
from tests.layers import _naive_frequency as naive

LENGTHS = [1, 2, 3, 7, 8, 15, 16, 23, 32]
orders = pytest.mark.parametrize("order", [1, 2, 3, 4, 8])
both = pytest.mark.parametrize("build", [MultiwaveletBlock, MultiwaveletAttention])


def qkv(b, h, n, m, e, dtype=torch.float64):
    shapes = (b, h, n, e), (b, h, m, e), (b, h, m, e)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def scattered(build, length, *, d_model=6, dtype=torch.float64, **arguments):
    sizes = {"n_channels": 2, "order": 3, "n_modes": 3, "n_coarse_levels": 1}
    return scatter_(build(d_model, length, **{**sizes, **arguments}).to(dtype))


def filters(order):
    return torch.tensor(legendre_filters(order))


def tokens(x):
    return x.transpose(1, 2).flatten(2)


def heads(x, n_heads):
    return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)


@orders
def test_the_filters_are_orthogonal(order):
    identity = torch.eye(2 * order, dtype=torch.float64)
    torch.testing.assert_close(filters(order) @ filters(order).T, identity, rtol=0, atol=1e-13)
    torch.testing.assert_close(filters(order).T @ filters(order), identity, rtol=0, atol=1e-13)


def test_with_one_function_they_are_those_of_haar():
    expected = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64) / math.sqrt(2)
    torch.testing.assert_close(filters(1), expected)


def test_with_two_functions_they_are_those_of_alpert():
    root = math.sqrt(3)
    expected = [[2, 0, 2, 0], [-root, 1, root, 1], [0, -2, 0, 2], [1, root, -1, root]]
    torch.testing.assert_close(filters(2), torch.tensor(expected, dtype=torch.float64) / math.sqrt(8))


def test_callers_cannot_change_the_filters_they_share():
    with pytest.raises(ValueError, match="read-only"):
        legendre_filters(3)[0, 0] = 1


def coefficients(power, order, steps):
    """Integrate ``x ** power`` on [0, 1] times the orthonormal Legendre polynomials of each of its equal parts."""
    table = np.zeros((steps, order))
    for step in range(steps):
        for j in range(order):
            local = Polynomial(np.polynomial.legendre.leg2poly([0] * j + [1]))(Polynomial([-1 - 2 * step, 2 * steps]))
            integral = (Polynomial([0] * power + [1]) * local).integ()
            table[step, j] = math.sqrt((2 * j + 1) * steps) * (integral((step + 1) / steps) - integral(step / steps))
    return torch.tensor(table)[None, :, None]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_halving_gives_the_coefficients_of_the_same_function_on_wider_intervals(order):
    for power in range(order):
        smooth, _ = split(coefficients(power, order, 4))
        torch.testing.assert_close(smooth, coefficients(power, order, 2))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_each_wavelet_is_orthogonal_to_one_power_more(order):
    for power in range(2 * order):
        _, detail = split(coefficients(power, order, 2))
        vanishes = detail[0, 0, 0].abs() < 1e-12
        assert vanishes[max(0, power - order + 1) :].all()
        if power >= order:
            assert detail[0, 0, 0, power - order] > 1e-6


@orders
def test_splitting_equals_its_definition_and_merging_undoes_it(order):
    x = draw(2, 14, 3, order, dtype=torch.float64)
    smooth, detail = split(x)
    torch.testing.assert_close((smooth, detail), naive.split(x, filters(order)))
    torch.testing.assert_close(merge(smooth, detail), x)
    torch.testing.assert_close(naive.merge(smooth, detail, filters(order)), x)


@pytest.mark.parametrize("n_coarse_levels", [0, 1, 3])
@pytest.mark.parametrize("n", LENGTHS)
def test_block_equals_its_definition(n, n_coarse_levels):
    q, _, _ = qkv(2, 2, n, 1, 3)
    block = scattered(MultiwaveletBlock, n, n_coarse_levels=n_coarse_levels)
    expected = heads(naive.multiwavelet_block(tokens(q), block, filters(3), n_coarse_levels), 2)
    assert_same_with_gradients(block(q), expected, [q, *block.parameters()])


@pytest.mark.parametrize("scale_scores", [True, False])
@pytest.mark.parametrize("activation", ["tanh", "softmax"])
@pytest.mark.parametrize("n_coarse_levels", [0, 3])
@pytest.mark.parametrize("n", LENGTHS)
def test_attention_equals_its_definition(n, n_coarse_levels, activation, scale_scores):
    inputs = qkv(2, 2, n, n, 3)
    arguments = {"n_coarse_levels": n_coarse_levels, "activation": activation, "scale_scores": scale_scores}
    attention = scattered(MultiwaveletAttention, n, **arguments)
    expected = heads(naive.multiwavelet_attention(*map(tokens, inputs), attention, filters(3), n_coarse_levels), 2)
    assert_same_with_gradients(attention(*inputs), expected, [*inputs, *attention.parameters()])


@both
def test_gradients_equal_finite_differences(build):
    block = scattered(build, 5, d_model=2, n_channels=1, order=2, n_modes=2, n_coarse_levels=0)
    assert torch.autograd.gradcheck(block, qkv(1, 1, 5, 5, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [*LENGTHS, 96, 97, 144, 192, 720])
@orders
def test_the_tree_without_operators_gives_the_series_back(order, n, dtype):
    block = MultiwaveletBlock(2 * order, n, n_channels=2, order=order, n_modes=n, n_coarse_levels=0).to(dtype)
    block.project_in[0] = block.project_out = block.coarsest = torch.nn.Identity()
    block.coarsest.weight = torch.zeros((), dtype=dtype)
    with torch.no_grad():
        for name, weight in block.named_parameters():
            weight.copy_(torch.eye(2 * order) if name == "detail_from_detail.real" else torch.zeros(()))
    q = draw(3, 2, n, order, dtype=dtype)
    torch.testing.assert_close(block(q), q, rtol=0, atol=1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize(
    ("length", "n_coarse_levels", "levels"),
    [(1, 0, 0), (2, 0, 1), (3, 0, 1), (15, 3, 0), (16, 3, 1), (96, 3, 3), (128, 3, 4), (96, 10, 0)],
)
def test_how_often_a_series_is_halved(length, n_coarse_levels, levels):
    assert MultiwaveletBlock(4, length, n_coarse_levels=n_coarse_levels).n_levels == levels


def test_a_series_is_filled_up_with_its_head():
    x = torch.arange(11.0).reshape(1, 11, 1, 1)
    assert wavelet._padded(x).flatten().tolist() == [*range(11), *range(5)]


def test_short_memories_are_followed_by_zeros_and_long_ones_lose_their_oldest_steps():
    attention = scattered(MultiwaveletAttention, 11)
    q, k, v = qkv(2, 2, 11, 17, 3)
    torch.testing.assert_close(attention(q, k, v), attention(q, k[:, :, 6:], v[:, :, 6:]))
    short, zeros = [t[:, :, :7] for t in (k, v)], torch.zeros(2, 2, 4, 3, dtype=k.dtype)
    torch.testing.assert_close(attention(q, *short), attention(q, *(torch.cat([t, zeros], dim=2) for t in short)))


def test_block_looks_at_queries_only():
    q, k, v = qkv(2, 2, 11, 7, 3)
    block = scattered(MultiwaveletBlock, 11)
    assert torch.equal(block(q, k, v), block(q))


def test_values_are_attended_to():
    q, k, v = qkv(2, 2, 11, 11, 3)
    attention = scattered(MultiwaveletAttention, 11)
    assert not torch.allclose(attention(q, k, v), attention(q, k, v + 1))


@both
def test_samples_do_not_see_each_other(build):
    block, inputs = scattered(build, 23), qkv(4, 2, 23, 23, 3)
    together = block(*inputs)
    for i in range(4):
        torch.testing.assert_close(block(*(t[i : i + 1] for t in inputs)), together[i : i + 1])


@both
@pytest.mark.parametrize(("h", "e"), [(1, 6), (6, 1)])
def test_heads_are_features_side_by_side(build, h, e):
    block, inputs = scattered(build, 23), qkv(2, 2, 23, 23, 3)
    others = [heads(tokens(t), h) for t in inputs]
    assert others[0].shape == (2, h, 23, e)
    torch.testing.assert_close(tokens(block(*others)), tokens(block(*inputs)))


@both
def test_bfloat16_is_kept_and_accurate(build):
    inputs = [t.detach() for t in qkv(2, 2, 23, 23, 3, dtype=torch.bfloat16)]
    block = scattered(build, 23, dtype=torch.bfloat16, activation="softmax") if build is MultiwaveletAttention else None
    block = block or scattered(build, 23, dtype=torch.bfloat16)
    out = block(*inputs)
    assert out.dtype == torch.bfloat16
    expected = block.float()(*(t.float() for t in inputs))
    torch.testing.assert_close(out.float(), expected, rtol=0.1, atol=0.1 * expected.abs().max().item())


@both
def test_under_autocast_the_tree_is_in_single_precision(build, monkeypatch):
    inputs = qkv(2, 2, 23, 23, 3, dtype=torch.float32)
    block = scattered(build, 23, dtype=torch.float32)
    seen, inverse = [], PartialFourier.inverse

    def watched(fourier, spectrum):
        out = inverse(fourier, spectrum)
        seen.extend([spectrum.dtype, out.dtype])
        return out

    monkeypatch.setattr(PartialFourier, "inverse", watched)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = block(*inputs)
    assert out.dtype == torch.float32
    assert set(seen) == {torch.float32}
    assert out.isfinite().all()


@both
def test_nothing_quadratic_is_built(build):
    length = 4099
    block = build(8, length, n_channels=2, order=4, n_modes=4)
    with watch_sizes() as sizes:
        block(*(draw(1, 2, length, 4, seed=seed) for seed in range(3)))
    assert 0 < max(sizes) <= 8 * 8192


def test_the_sizes_of_the_paper_can_be_had():
    with torch.device("meta"):
        block = MultiwaveletBlock(512, 96, n_channels=128, order=8, n_modes=16, n_coarse_levels=3)
    assert sum(weight.numel() for weight in block.parameters() if weight.ndim == 4) == 3 * 2 * 16 * 1024**2


@both
def test_an_exported_program_takes_other_batch_sizes_and_has_no_complex_numbers(build):
    block = scattered(build, 23, dtype=torch.float32).eval()
    inputs = [t.detach() for t in qkv(5, 2, 23, 19, 3, dtype=torch.float32)]
    inputs = inputs[:1] if build is MultiwaveletBlock else inputs
    shapes = ({0: torch.export.Dim("batch")},) * len(inputs)
    with torch.no_grad():
        program = torch.export.export(block, tuple(t[:2] for t in inputs), dynamic_shapes=shapes, strict=False)
    for node in program.graph.nodes:
        assert "fft" not in str(node.target)
        value = node.meta.get("val")
        assert not (isinstance(value, torch.Tensor) and value.is_complex())
    torch.testing.assert_close(program.module()(*inputs), block(*inputs))


@pytest.mark.usefixtures("unchecked")
@both
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"length": 0}, "length=0 must be an integer of at least 1"),
        ({"n_channels": 0}, "n_channels=0 must be an integer of at least 1"),
        ({"order": 2.0}, "order=2.0 must be an integer of at least 1"),
        ({"n_modes": 0}, "n_modes=0 must be an integer of at least 1"),
        ({"n_coarse_levels": -1}, "n_coarse_levels=-1 must be an integer of at least 0"),
    ],
)
def test_arguments_out_of_range_are_refused(build, arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        build(**{"d_model": 6, "length": 23, **arguments})


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_activation_is_refused():
    message = "activation='relu' must be one of ['complex_tanh', 'softmax', 'tanh']"
    with pytest.raises(ValueError, match=exactly(message)):
        MultiwaveletAttention(6, 23, activation="relu")


@both
def test_other_lengths_are_refused(build):
    with pytest.raises(ValueError, match=exactly("q has 11 steps, but the layer was built for length=12")):
        scattered(build, 12)(*qkv(2, 2, 11, 12, 3))


@both
@pytest.mark.parametrize("length", [1, 15, 16])
def test_every_parameter_is_used(build, length):
    block, inputs = scattered(build, length, n_coarse_levels=3), qkv(2, 2, length, length, 3)
    block(*inputs).sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


@pytest.mark.parametrize(("length", "n_modes"), [(7, 5), (8, 5), (12, 9), (15, 9)])
def test_attention_that_halves_nothing_has_all_modes_of_its_length(length, n_modes):
    block = MultiwaveletAttention(6, length, n_modes=64)
    assert (block.n_levels, block.n_modes) == (0, n_modes)


@pytest.mark.parametrize("length", [16, 23, 41])
def test_a_block_has_no_more_modes_than_its_finest_level(length):
    block, inputs = scattered(MultiwaveletBlock, length, n_modes=64), qkv(2, 2, length, length, 3)
    block(*inputs).square().sum().backward()
    assert block.detail_from_detail.real.grad.abs().amax(dim=(0, 2, 3)).min() > 0
    assert block.n_modes == {16: 5, 23: 9, 41: 17}[length]
