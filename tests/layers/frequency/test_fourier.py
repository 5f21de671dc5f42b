import io
import math

import pytest
import torch

from darts_tsformers.layers.frequency.fourier import FourierAttention, FourierBlock
from darts_tsformers.layers.frequency.mode_attention import attend, score_scale
from darts_tsformers.layers.frequency.modes import select_modes
from darts_tsformers.layers.frequency.spectrum import PartialFourier
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_, watch_sizes
from tests.layers import _naive_frequency as naive

SIZES = [(2, 3, 23, 5, 7), (3, 2, 24, 7, 5), (1, 1, 11, 3, 64), (2, 1, 1, 2, 4), (2, 2, 2, 3, 4), (1, 3, 3, 2, 1)]
ids = [f"B{b}-h{h}-L{n}-e{e}-M{m}" for b, h, n, e, m in SIZES]
sizes = pytest.mark.parametrize(("b", "h", "n", "e", "m"), SIZES, ids=ids)
faithful_or_not = pytest.mark.parametrize("faithful", [False, True])
selections = pytest.mark.parametrize("mode_select", ["lowest", "random"])
activations = pytest.mark.parametrize("activation", ["tanh", "softmax", "complex_tanh"])


def sequence(*shape, seed=0, dtype=torch.float64):
    return draw(*shape, seed=seed, dtype=dtype).requires_grad_()


def scattered(module, dtype=torch.float64):
    """Draw weights of the size of one."""
    return scatter_(module.to(dtype))


def parameters(block):
    return block.weights.real, block.weights.imag


def qkv(b, h, n, m, e, dtype=torch.float64, size=1.0):
    shapes = (b, h, n, e), (b, h, m, e), (b, h, m, e)
    return [(size * draw(*shape, seed=seed, dtype=dtype)).requires_grad_() for seed, shape in enumerate(shapes)]


@pytest.mark.parametrize(
    ("length", "n_modes", "m"), [(1, 5, 1), (2, 5, 1), (3, 5, 1), (4, 5, 2), (97, 64, 48), (97, 7, 7)]
)
@selections
def test_how_many_modes_there_are(length, n_modes, m, mode_select):
    modes = select_modes(length, n_modes, mode_select=mode_select, generator=torch.Generator())
    assert len(modes) == m
    assert modes.tolist() == sorted(set(modes.tolist()))
    assert modes.min() >= 0
    assert modes.max() <= max(0, length // 2 - 1)
    if mode_select == "lowest":
        assert modes.tolist() == list(range(m))


def test_random_modes_reach_all_frequencies_and_follow_the_seed():
    def modes(seed):
        return FourierBlock(2, 1, 97, n_modes=7, seed=seed).modes.tolist()

    assert modes(0) == modes(0)
    assert len({tuple(modes(seed)) for seed in range(20)}) == 20
    assert {j for seed in range(200) for j in modes(seed)} == set(range(48))


def test_making_a_block_leaves_the_choice_of_modes_to_its_own_generator():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = FourierAttention(2, 1, 97, 89, n_modes=7)
        second = FourierAttention(2, 1, 97, 89, n_modes=7)
    assert torch.equal(first.modes, second.modes)
    assert torch.equal(first.memory_modes, second.memory_modes)
    assert not torch.equal(first.modes, first.memory_modes)
    assert not torch.equal(first.weights.real, second.weights.real)


def test_the_blocks_say_how_many_modes_they_have():
    assert FourierBlock(6, 2, 23, n_modes=64).n_modes == 11
    attention = FourierAttention(6, 2, 23, 9, n_modes=64)
    assert (attention.n_modes, attention.n_memory_modes) == (11, 4)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 11, 96, 97])
def test_the_transform_is_the_fast_one_at_the_modes(length):
    x = sequence(2, length, 3, 5)
    modes = torch.arange(length // 2 + 1)[:: 2 if length > 8 else 1]
    ours = PartialFourier(modes, length, x.dtype)
    theirs = torch.fft.rfft(x, dim=1)[:, modes]
    assert_same_with_gradients(ours.transform(x), torch.stack([theirs.real, theirs.imag], dim=1), [x])
    spectrum = torch.fft.rfft(x, dim=1)
    sparse = torch.zeros_like(spectrum).index_copy(1, modes, spectrum[:, modes])
    assert_same_with_gradients(ours.inverse(ours.transform(x)), torch.fft.irfft(sparse, n=length, dim=1), [x])


def test_the_transform_keeps_its_precision_over_long_signals():
    length = 32768
    x, modes = draw(1, length, 1, 2), torch.tensor([0, 1, 8191, 16383])
    out = PartialFourier(modes, length, x.dtype).transform(x)
    expected = torch.fft.rfft(x.double(), dim=1)[:, modes]
    torch.testing.assert_close(torch.complex(*out.double().unbind(1)), expected, rtol=1e-5, atol=1e-3)


@faithful_or_not
@selections
@sizes
def test_block_equals_its_definition(b, h, n, e, m, mode_select, faithful):
    q = sequence(b, h, n, e)
    block = scattered(FourierBlock(h * e, h, n, n_modes=m, mode_select=mode_select, seed=3, faithful=faithful))
    expected = naive.fourier_block(q, block.modes.tolist(), *parameters(block), faithful=faithful)
    assert_same_with_gradients(block(q), expected, [q, *block.parameters()])


def test_block_gradients_equal_finite_differences():
    block = scattered(FourierBlock(4, 2, 7, n_modes=2))
    assert torch.autograd.gradcheck(block, (sequence(2, 2, 7, 2),))


def golden_block(*, faithful):
    def fill(*shape, a, b):
        return (a * torch.arange(math.prod(shape), dtype=torch.float64) + b).sin().reshape(shape)

    block = FourierBlock(8, 8, 12, n_modes=3, faithful=faithful).double()
    block.modes.copy_(torch.tensor([1, 3, 4]))
    with torch.no_grad():  # the authors' weights have their modes last
        block.weights.real.copy_(fill(8, 1, 1, 3, a=0.21, b=0.5).permute(0, 3, 1, 2))
        block.weights.imag.copy_(fill(8, 1, 1, 3, a=0.17, b=-0.3).permute(0, 3, 1, 2))
    return block(fill(1, 12, 8, 1, a=0.37, b=0.11).transpose(1, 2)).detach()[0, :, :, 0]


def assert_golden(ours, values):
    torch.testing.assert_close(ours, torch.tensor(values, dtype=torch.float64), rtol=0, atol=1e-6)


def test_block_equals_the_paper_by_the_golden_values():
    out = golden_block(faithful=False)
    assert_golden(out[0, :4], [0.227075, -0.141604, 0.019608, 0.154246])
    assert_golden(out[:, 0], [0.227075, 0.236845, 0.047723, -0.228646, -0.387246, -0.305791, -0.067193, 0.09317])


def test_faithful_block_equals_the_authors_code_by_the_golden_values():
    out = golden_block(faithful=True)
    assert_golden(out[:, 0], [0.201175, 0.015988, -0.124069, -0.111144, 0.008826, 0.090897, 0.042753, -0.08023])


def identity_(block):
    with torch.no_grad():
        block.weights.real.copy_(torch.eye(block.weights.real.shape[-1]))
        block.weights.imag.zero_()
    return block.double()


def test_with_weights_of_one_and_all_modes_only_the_alternating_part_is_lost():
    q = sequence(2, 3, 24, 5)
    signs = 1 - 2 * (torch.arange(24, dtype=torch.float64) % 2)[:, None]
    alternating = signs * (signs * q).mean(2, keepdim=True)
    torch.testing.assert_close(identity_(FourierBlock(15, 3, 24))(q), q - alternating)


@pytest.mark.parametrize(("faithful", "lands_on"), [(False, 5), (True, 2)])
def test_a_pure_frequency_stays_in_its_bin(faithful, lands_on):
    block = identity_(FourierBlock(1, 1, 23, n_modes=3, faithful=faithful))
    block.modes.copy_(torch.tensor([1, 3, 5]))
    turns = 2 * math.pi * torch.arange(23, dtype=torch.float64) / 23
    out = block((5 * turns + 0.3).cos()[None, None, :, None])
    torch.testing.assert_close(out[0, 0, :, 0], (lands_on * turns + 0.3).cos())


def test_block_looks_at_queries_only():
    block = scattered(FourierBlock(6, 2, 11))
    q, k, v = qkv(2, 2, 11, 7, 3)
    assert torch.equal(block(q, k, v), block(q))


@pytest.mark.parametrize(
    ("faithful", "scale_scores", "scaled"),
    [(False, None, True), (True, None, False), (False, False, False), (True, True, True)],
)
@activations
@pytest.mark.parametrize("memory", [1, 2, 19, 26])
@sizes
def test_attention_equals_its_definition(b, h, n, e, m, memory, activation, faithful, scale_scores, scaled):
    q, k, v = qkv(b, h, n, memory, e, size=0.2)
    arguments = {"activation": activation, "faithful": faithful, "scale_scores": scale_scores}
    attention = scattered(FourierAttention(h * e, h, n, memory, n_modes=m, seed=3, **arguments))
    expected = naive.fourier_attention(
        q,
        k,
        v,
        attention.modes.tolist(),
        attention.memory_modes.tolist(),
        *parameters(attention),
        activation=activation,
        faithful=faithful,
        scaled=scaled,
    )
    inputs = [q, k, *([] if faithful else [v]), *attention.parameters()]
    assert_same_with_gradients(attention(q, k, v), expected, inputs)


@activations
def test_attention_gradients_equal_finite_differences(activation):
    attention = scattered(FourierAttention(4, 2, 7, 5, n_modes=2, activation=activation))
    assert torch.autograd.gradcheck(attention, qkv(1, 2, 7, 5, 2, size=0.3))


@pytest.mark.parametrize(("length", "memory_length", "width"), [(96, 96, 16), (144, 512, 1), (33, 700, 5)])
def test_scores_of_white_noise_are_of_order_one(length, memory_length, width):
    q, k = (torch.fft.rfft(draw(8, 2, n, width, seed=n), dim=2)[:, :, 1 : n // 2] for n in (length, memory_length + 1))
    scores = score_scale(width, length, memory_length) * torch.einsum("bhme,bhne->bhmn", q, k)
    for part in (scores.real, scores.imag):
        assert part.std().item() == pytest.approx(1, abs=0.05)


def test_values_are_attended_to_and_keys_only_when_faithful():
    q, k, v = qkv(2, 2, 11, 9, 3)
    for faithful in (False, True):
        attention = scattered(FourierAttention(6, 2, 11, 9, faithful=faithful))
        assert torch.equal(attention(q, k, v), attention(q, k, v + 1)) == faithful


def test_softmax_attention_to_one_mode_takes_its_value():
    attention = identity_(FourierAttention(3, 1, 8, 2, n_modes=1, activation="softmax", mode_select="lowest"))
    q, k, v = qkv(2, 1, 8, 2, 3)
    torch.testing.assert_close(attention(q, k, v), (v.sum(2, keepdim=True) / 8).expand_as(q))


@activations
def test_attention_to_nothing_has_finite_gradients(activation):
    attention = scattered(FourierAttention(6, 2, 11, 9, activation=activation))
    nothing = torch.zeros(2, 2, 11, 3, dtype=torch.float64, requires_grad=True)
    memory = torch.zeros(2, 2, 9, 3, dtype=torch.float64, requires_grad=True)
    out = attention(nothing, memory, memory)
    assert torch.equal(out, torch.zeros_like(out))
    for gradient in torch.autograd.grad(out.sum(), [nothing, memory, *attention.parameters()]):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("size", [0.1, 1.0, 30.0, 1e4])
def test_the_complex_tanh_is_that_of_torch_and_does_not_overflow(size):
    one = torch.ones(1, 2, 1, 1, 1)
    one[:, 1] = 0
    scores = size * draw(1, 2, 7, 1, 1)
    weights = attend(scores, one, one, activation="complex_tanh").double()
    expected = torch.complex(*scores.double().unbind(1)).tanh()
    torch.testing.assert_close(torch.complex(*weights.unbind(1)), expected, rtol=1e-3 * max(1, size / 30), atol=1e-5)


def both(dtype=torch.float64, **arguments):
    return [
        scattered(FourierBlock(15, 3, 23, n_modes=7, **arguments), dtype),
        scattered(FourierAttention(15, 3, 23, 19, n_modes=7, **arguments), dtype),
    ]


block_or_attention = pytest.mark.parametrize("which", [0, 1], ids=["block", "attention"])


@block_or_attention
def test_samples_do_not_see_each_other(which):
    block, inputs = both()[which], qkv(4, 3, 23, 19, 5)
    together = block(*inputs)
    for i in range(4):
        torch.testing.assert_close(block(*(t[i : i + 1] for t in inputs)), together[i : i + 1])


@block_or_attention
def test_heads_do_not_see_each_other(which):
    block, inputs = both()[which], [t.detach() for t in qkv(2, 3, 23, 19, 5)]
    before = block(*inputs)
    after = block(*(t + torch.tensor([0, 1.0, 0])[:, None, None] * t.square() for t in inputs))
    assert torch.equal(before[:, 0::2], after[:, 0::2])
    assert not torch.equal(before[:, 1], after[:, 1])


@block_or_attention
def test_bfloat16_is_kept_and_transformed_in_single_precision(which):
    inputs = [(t / 4).detach() for t in qkv(2, 3, 23, 19, 5, dtype=torch.bfloat16)]
    block = both(torch.bfloat16)[which]
    out = block(*inputs)
    assert out.dtype == torch.bfloat16
    expected = block.float()(*(t.float() for t in inputs))
    assert torch.equal(out, expected.bfloat16())


@block_or_attention
def test_under_autocast_all_of_it_is_in_single_precision(which):
    block, inputs = both(torch.float32)[which], qkv(2, 3, 23, 19, 5, dtype=torch.float32)
    expected = block(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(block(*inputs), expected)
        low = [t.bfloat16() for t in inputs]
        out = block(*low)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, block(*(t.float() for t in low)).bfloat16())


@block_or_attention
def test_loaded_weights_bring_their_modes(which):
    trained, loaded = both(seed=1)[which], both(seed=2)[which]
    inputs = qkv(2, 3, 23, 19, 5)
    assert not torch.equal(trained.modes, loaded.modes)
    file = io.BytesIO()
    torch.save(trained.state_dict(), file)
    file.seek(0)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(loaded(*inputs), trained(*inputs))
    named = {name for name, _ in loaded.named_buffers()}
    assert named == ({"modes"} if which == 0 else {"modes", "memory_modes"})


@block_or_attention
def test_weights_start_small_and_positive(which):
    block = [FourierBlock(15, 3, 23, n_modes=7), FourierAttention(15, 3, 23, 19, n_modes=7)][which]
    for weight in parameters(block):
        assert weight.shape == (3, 7, 5, 5)
        assert weight.min() >= 0
        assert 0.9 < weight.max() * 15**2 < 1
    assert not torch.equal(*parameters(block))


@block_or_attention
def test_no_whole_spectrum_is_built(which):
    length, m = 4099, 8
    block = [FourierBlock(8, 2, length, n_modes=m), FourierAttention(8, 2, length, length, n_modes=m)][which]
    with watch_sizes() as sizes_seen:
        block(*(draw(1, 2, length, 4, seed=seed) for seed in range(3)))
    assert 0 < max(sizes_seen) <= 2.1 * m * length


@block_or_attention
def test_an_exported_program_takes_other_batch_sizes_and_has_no_complex_numbers(which):
    block = both(torch.float32)[which].eval()
    inputs = [t.detach() for t in qkv(5, 3, 23, 19, 5, dtype=torch.float32)][: 3 if which else 1]
    shapes = ({0: torch.export.Dim("batch")},) * len(inputs)
    with torch.no_grad():
        program = torch.export.export(block, tuple(t[:2] for t in inputs), dynamic_shapes=shapes, strict=False)
    for node in program.graph.nodes:
        assert "fft" not in str(node.target)
        value = node.meta.get("val")
        assert not (isinstance(value, torch.Tensor) and value.is_complex())
    torch.testing.assert_close(program.module()(*inputs), block(*inputs))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"n_heads": 2.0}, "n_heads=2.0 must be an integer of at least 1"),
        ({"n_heads": 4}, "n_heads=4 must divide d_model=6"),
        ({"length": 0}, "length=0 must be an integer of at least 1"),
        ({"n_modes": 0}, "n_modes=0 must be an integer of at least 1"),
        ({"n_modes": True}, "n_modes=True must be an integer of at least 1"),
        ({"seed": -1}, "seed=-1 must be an integer of at least 0"),
        ({"seed": None}, "seed=None must be an integer of at least 0"),
        ({"mode_select": "low"}, "mode_select='low' must be one of ['lowest', 'random']"),
        ({"faithful": 1}, "faithful=1 must be True or False"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    usual = {"d_model": 6, "n_heads": 2, "length": 11}
    with pytest.raises(ValueError, match=exactly(message)):
        FourierBlock(**{**usual, **arguments})
    with pytest.raises(ValueError, match=exactly(message)):
        FourierAttention(**{**usual, "memory_length": 7, **arguments})


@pytest.mark.usefixtures("unchecked")
def test_arguments_of_the_attention_out_of_range_are_refused():
    with pytest.raises(ValueError, match=exactly("scale_scores=1 must be True or False")):
        FourierAttention(6, 2, 11, 7, scale_scores=1)
    with pytest.raises(ValueError, match=exactly("memory_length=0 must be an integer of at least 1")):
        FourierAttention(6, 2, 11, 0)
    message = "activation='relu' must be one of ['complex_tanh', 'softmax', 'tanh']"
    with pytest.raises(ValueError, match=exactly(message)):
        FourierAttention(6, 2, 11, 7, activation="relu")


def test_other_lengths_are_refused():
    q, k, v = qkv(2, 2, 11, 7, 3)
    message = exactly("q has 11 steps, but the layer was built for length=12")
    with pytest.raises(ValueError, match=message):
        FourierBlock(6, 2, 12).double()(q)
    with pytest.raises(ValueError, match=message):
        FourierAttention(6, 2, 12, 7).double()(q, k, v)
    with pytest.raises(ValueError, match=exactly("k has 7 steps, but the layer was built for length=8")):
        FourierAttention(6, 2, 11, 8).double()(q, k, v)
