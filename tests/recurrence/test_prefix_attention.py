import math

import pytest
import torch

from darts_tsformers.recurrence import (
    PrefixState,
    advance_prefix_attention,
    begin_prefix_attention,
    last_prefix_weights,
    prefix_attention,
    prefix_weights,
)
from darts_tsformers.recurrence._prefix_scan import STEPS, _averages
from darts_tsformers.recurrence.naive import prefix_attention as naive
from tests.helpers import assert_same_with_gradients, draw, exactly, watch_sizes

SIZES = [
    (2, 3, 29, 5),
    (1, 1, 1, 1),
    (3, 1, 2, 7),
    (1, 5, 16, 3),
    (2, 1, 17, 1),
    (1, 2, 257, 3),
    (2, 1, 293, 2),
]
every_size = pytest.mark.parametrize(("b", "h", "n", "e"), SIZES, ids=[f"B{b}-h{h}-N{n}-e{e}" for b, h, n, e in SIZES])


def inputs(b, h, n, e, scale=1.0, dtype=torch.float64):
    scores = scale * draw(b, h, n, seed=1, dtype=dtype)
    return scores.requires_grad_(), draw(b, h, n, e, seed=2, dtype=dtype).requires_grad_()


def stepwise(scores, values, known, mask=None):
    """Begin with some steps and take the others one at a time."""
    some = slice(0, known)
    out, state = begin_prefix_attention(
        scores[..., some], values[..., some, :], None if mask is None else mask[:, some]
    )
    rows = [out]
    for t in range(known, scores.shape[-1]):
        there = None if mask is None else mask[:, t]
        row, state = advance_prefix_attention(scores[..., t], values[..., t, :], state, there)
        rows.append(row[..., None, :])
    return torch.cat(rows, dim=-2), state


@every_size
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_equals_its_definition(b, h, n, e, scale):
    scores, values = inputs(b, h, n, e, scale)
    expected, weights = naive.prefix_attention(scores, values)
    assert_same_with_gradients(prefix_attention(scores, values), expected, (scores, values))
    torch.testing.assert_close(prefix_weights(scores), weights)
    torch.testing.assert_close(last_prefix_weights(scores), weights[..., -1, :])


@pytest.mark.parametrize("offset", [-1, 0, 1, 17])
def test_a_long_sequence_is_worked_on_in_parts(offset):
    scores, values = inputs(1, 11, 2 * STEPS + offset, 97, scale=7)
    with torch.no_grad():
        scores[:, 3, : STEPS + 5] = -math.inf
    whole = _averages(scores.flatten(0, 1), values.flatten(0, 1)).view(values.shape)
    assert_same_with_gradients(prefix_attention(scores, values), whole, (scores, values))


@pytest.mark.parametrize("known", [1, 5, 36])
def test_one_step_at_a_time_equals_the_whole(known):
    scores, values = inputs(2, 3, 37, 5, scale=30)
    out, state = stepwise(scores, values, known)
    assert_same_with_gradients(out, prefix_attention(scores, values), (scores, values))
    whole = begin_prefix_attention(scores, values)[1]
    for ours, theirs in zip(state, whole, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_far_scores_are_no_danger(dtype):
    scores, values = inputs(2, 3, 293, 5, dtype=dtype)
    with torch.no_grad():
        scores.copy_(1e3 * scores.sign())
        scores[0, :, :41] = -math.inf  # two blocks and a half in which there is nothing
        scores[1, 1, 7::3] = -math.inf
    exact = [t.detach().double().requires_grad_() for t in (scores, values)]
    expected, _ = naive.prefix_attention(*exact)
    probe = draw(*expected.shape, seed=3, dtype=torch.float64)
    wanted = [expected, *torch.autograd.grad((expected * probe).sum(), exact)]
    out = prefix_attention(scores, values)
    found = [out, *torch.autograd.grad((out * probe).sum(), (scores, values))]
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-6)
    assert not out[0, :, :41].any()
    torch.testing.assert_close(stepwise(scores, values, 3)[0], out)


def test_what_is_masked_is_not_there():
    scores, values = (t.detach() for t in inputs(2, 3, 53, 5))
    mask = draw(2, 53) > 0
    mask[1, :19] = False
    hidden = scores.masked_fill(~mask[:, None], -math.inf)
    expected, weights = naive.prefix_attention(hidden, values)
    scores.masked_fill_(~mask[:, None], math.nan)
    values.masked_fill_(~mask[:, None, :, None], math.nan)
    torch.testing.assert_close(prefix_attention(scores, values, mask), expected)
    torch.testing.assert_close(stepwise(scores, values, 7, mask)[0], expected)
    torch.testing.assert_close(prefix_weights(scores, mask), weights)
    torch.testing.assert_close(last_prefix_weights(scores, mask), weights[..., -1, :])
    assert not expected[1, :, :19].any()


def test_no_gradient_comes_from_what_is_masked():
    scores, values = inputs(2, 3, 37, 5)
    mask = torch.arange(37).expand(2, 37) >= 19
    prefix_attention(scores, values, mask).sum().backward()
    for gradient in (scores.grad, values.grad):
        assert not gradient[:, :, :19].any()
        assert gradient[:, :, 19:].any()


@pytest.mark.parametrize("n", [1, 5, 19])
def test_gradients_equal_finite_differences(n):
    assert torch.autograd.gradcheck(prefix_attention, inputs(1, 2, n, 2))


def test_bfloat16_is_rounded_at_the_end_only():
    scores, values = inputs(2, 3, 61, 5, dtype=torch.bfloat16)
    out = prefix_attention(scores, values)
    assert torch.equal(out, prefix_attention(scores.float(), values.float()).bfloat16())
    out.sum().backward()
    assert all(t.grad.dtype == torch.bfloat16 and t.grad.isfinite().all() for t in (scores, values))
    assert stepwise(scores, values, 3)[0].dtype == torch.bfloat16


def test_autocast_rounds_no_sums():
    scores, values = inputs(2, 3, 61, 5, dtype=torch.float32)
    exact = prefix_attention(scores, values)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(prefix_attention(scores, values), exact)


def test_the_past_does_not_move_when_the_future_does():
    scores, values = (t.detach() for t in inputs(2, 3, 61, 5))
    before = prefix_attention(scores, values)
    scores[..., 37:] += 1e3
    values[..., 37:, :] += 1e3
    after = prefix_attention(scores, values)
    assert torch.equal(before[..., :37, :], after[..., :37, :])
    assert not torch.equal(before[..., 37:, :], after[..., 37:, :])


def test_a_sample_does_not_depend_on_its_batch_mates():
    scores, values = inputs(3, 2, 37, 5)
    whole = prefix_attention(scores, values)
    torch.testing.assert_close(prefix_attention(scores[1:2], values[1:2]), whole[1:2])


def test_memory_is_linear_in_the_length():
    n, e = 4099, 7
    scores, values = (t.requires_grad_() for t in (draw(1, 1, n), draw(1, 1, n, e)))
    with watch_sizes() as sizes:
        prefix_attention(scores, values).sum().backward()
        begin_prefix_attention(scores, values)
    assert n * e <= max(sizes) <= 17 * n


def test_the_form_that_is_traced_equals_the_fast_one():
    scores, values = inputs(2, 3, 293, 5, scale=30)
    s, v = scores.flatten(0, 1), values.flatten(0, 1)
    traced = _averages(s, v).view(values.shape)
    assert_same_with_gradients(prefix_attention(scores, values), traced, (scores, values))


def test_an_exported_graph_takes_any_batch():
    class Attends(torch.nn.Module):
        def forward(self, scores, values):
            return prefix_attention(scores, values)

    small, large = ([t.detach() for t in inputs(b, 2, 37, 5)] for b in (2, 3))
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    exported = torch.export.export(Attends(), tuple(small), dynamic_shapes=(batch, batch)).module()
    torch.testing.assert_close(exported(*large), prefix_attention(*large))


def test_the_state_is_left_as_it_is():
    scores, values = inputs(2, 3, 5, 7)
    _, state = begin_prefix_attention(scores, values)
    copies = PrefixState(*(t.clone() for t in state))
    advance_prefix_attention(scores[..., 0], values[..., 0, :], state)
    assert all(torch.equal(kept, copy) for kept, copy in zip(state, copies, strict=True))


@pytest.mark.usefixtures("unchecked")
def test_scores_and_values_of_different_lengths_are_refused():
    message = "scores (2, 3, 5), values (2, 3, 7, 11) must have the same samples, heads and steps"
    with pytest.raises(ValueError, match=exactly(message)):
        prefix_attention(draw(2, 3, 5), draw(2, 3, 7, 11))
