import pytest
import torch
import torch.nn.functional as F
from torch import nn

from darts_tsformers.layers.recurrent.lmuformer import ConvolutionalEmbedding, LMUFormerBlock
from darts_tsformers.recording import recording
from darts_tsformers.recurrence import legendre_matrices
from darts_tsformers.recurrence.naive import legendre as naive
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

F64 = torch.float64
norms = pytest.mark.parametrize("norm", ["batch", "layer"])


def trained(module):
    """Draw parameters and running statistics anew, in evaluation mode."""
    for i, part in enumerate(scatter_(module).modules()):
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.copy_(draw(part.num_features, seed=i))
            part.running_var.copy_(draw(part.num_features, seed=i).exp())
    return module.double().eval()


def a_block(d_model=6, d_ff=11, order=4, theta=7, **other):
    return trained(LMUFormerBlock(d_model, d_ff, order, theta, **other))


def an_embedding(**other):
    return trained(ConvolutionalEmbedding(3, 6, **other))


def normalised(norm, x):
    if isinstance(norm, nn.LayerNorm):
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias
    norm = norm.norm
    return (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias


def mapped(linear, x):
    return x @ linear.weight.T + linear.bias


@norms
@pytest.mark.parametrize(("length", "d_memory", "theta"), [(29, 1, 7), (17, 3, 5.5), (1, 2, 11)])
def test_a_block_equals_its_definition(length, d_memory, theta, norm):
    block, x = a_block(theta=theta, d_memory=d_memory, norm=norm), draw(3, length, 6, dtype=F64).requires_grad_()
    cell = block.memory
    u = mapped(cell.project_in, x).clamp(min=0)
    memories = [naive.legendre_memory(one, *legendre_matrices(4, theta)) for one in u.unbind(-1)]
    h = mapped(cell.project_out, torch.cat([*memories, x], dim=-1)).clamp(min=0)
    mixed = x + normalised(block.project_norm, mapped(block.project, h))
    wide = F.gelu(normalised(block.widen_norm, mapped(block.widen, mixed)))
    expected = mixed + normalised(block.narrow_norm, mapped(block.narrow, wide)).clamp(min=0)
    assert_same_with_gradients(block(x), expected, (x, *block.parameters()))


@norms
@pytest.mark.parametrize("length", [1, 2, 13])
def test_an_embedding_equals_its_definition(length, norm):
    embedding, x = an_embedding(norm=norm), draw(2, length, 3, dtype=F64).requires_grad_()

    def convolved(i, x):
        kernel = embedding.convolutions[i].linear.weight.unflatten(1, (3, -1))
        rows = F.pad(x, (0, 0, 2, 0))
        return sum(rows[:, k : k + length] @ kernel[:, k].T for k in range(3))

    tokens = x
    for i, one in enumerate(embedding.norms):
        tokens = normalised(one, convolved(i, tokens).clamp(min=0))
    expected = tokens + convolved(4, tokens)
    assert len(embedding.norms) == 4
    assert_same_with_gradients(embedding(x), expected, (x, *embedding.parameters()))


@norms
@pytest.mark.parametrize("known", [1, 7, 28])
@pytest.mark.parametrize("make", [a_block, an_embedding])
def test_one_token_at_a_time_equals_the_whole(make, known, norm):
    layer = make(norm=norm)
    x = draw(2, 29, 6 if make is a_block else 3, dtype=F64)
    y, state = layer.begin(x[:, :known])
    rows = [y]
    for t in range(known, 29):
        y, state = layer.advance(x[:, t : t + 1], state)
        rows.append(y)
    torch.testing.assert_close(torch.cat(rows, dim=1), layer(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [a_block, an_embedding])
def test_padding_in_front_changes_nothing(make):
    layer = make()
    x = draw(2, 13, 6 if make is a_block else 3, dtype=F64)
    padded, mask = F.pad(x, (0, 0, 5, 0), value=1e3), (torch.arange(18) >= 5).expand(2, 18)
    torch.testing.assert_close(layer(padded, mask)[:, 5:], layer(x), rtol=0, atol=1e-12)
    more = draw(2, 1, x.shape[-1], seed=3, dtype=F64)
    after, alone = (layer.advance(more, layer.begin(*given)[1])[0] for given in ((padded, mask), (x,)))
    torch.testing.assert_close(after, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [a_block, an_embedding])
def test_a_token_does_not_see_those_after_it(make):
    layer = make()
    x = draw(2, 29, 6 if make is a_block else 3, dtype=F64)
    before = layer(x)
    x[:, 17:] += 1e3
    after = layer(x)
    torch.testing.assert_close(before[:, :17], after[:, :17], rtol=0, atol=1e-11)
    assert (before[:, 17] - after[:, 17]).abs().max() > 1e-2


def test_the_feed_forward_part_can_only_add():
    block, x = a_block(), draw(2, 13, 6, dtype=F64)
    block.project_norm.norm.weight.data.zero_()
    block.project_norm.norm.bias.data.zero_()
    added = block(x) - x
    assert (added >= 0).all()
    assert (added > 0).any()


@pytest.mark.parametrize(("length", "theta"), [(29, 7), (5, 11)])
def test_a_memory_is_recorded_with_what_it_holds(length, theta):
    """As many numbers as steps hold each of them."""
    block, x = a_block(order=48, theta=theta, d_memory=2), draw(3, length, 6, dtype=F64)
    with recording("memory") as record:
        y = block(x)
    torch.testing.assert_close(y, block(x))
    (entry,) = record["memory"]
    written, held = entry.tensors["written"], entry.tensors["held"]
    assert written.shape == held.shape == (3, min(length, theta), 2)
    torch.testing.assert_close(written, block.memory.write(x)[:, -theta:])
    assert (held - written).abs().mean() < 0.25 * written.std()


def test_gradients_are_those_of_differences():
    block = LMUFormerBlock(2, 3, 3, 5, d_memory=2, norm="layer").double()
    x = draw(1, 4, 2, dtype=F64).requires_grad_()
    assert torch.autograd.gradcheck(block, x)


def test_lower_precision_is_near_double():
    block, x = a_block(norm="layer"), draw(2, 13, 6)
    expected = block(x.double())
    narrow = block.to(torch.bfloat16)(x.to(torch.bfloat16))
    assert narrow.dtype == torch.bfloat16
    assert (narrow.double() - expected).norm() < 3e-2 * expected.norm()


def test_dropout_is_applied_in_training_only():
    block, x = a_block(dropout=0.5, norm="layer"), draw(2, 13, 6, dtype=F64)
    assert torch.equal(block(x), block(x))
    block.train()
    assert not torch.equal(block(x), block(x))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_ff": 0}, "d_ff=0 must be an integer of at least 1"),
        ({"d_memory": 0}, "d_memory=0 must be an integer of at least 1"),
        ({"order": 0}, "order=0 must be an integer of at least 1"),
        ({"theta": 0.5}, "theta=0.5 must be a number of at least 1"),
        ({"norm": "rms"}, "norm='rms' must be one of ['batch', 'layer']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_refused(settings, message):
    with pytest.raises(ValueError, match=exactly(message)):
        a_block(**settings)
