import pytest
import torch
from torch import nn

from darts_tsformers.layers.recomputing import let_recompute
from darts_tsformers.layers.transformer.pre_norm import PreNormDecoderLayer, PreNormEncoderLayer, Stack
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, scatter_

THEIRS = {
    "encoder": {"attention_norm": "norm1", "feed_forward_norm": "norm2", "attention": "self_attn"},
    "decoder": {
        "self_norm": "norm1",
        "cross_norm": "norm2",
        "feed_forward_norm": "norm3",
        "self_attention": "self_attn",
        "cross_attention": "multihead_attn",
    },
}
LAYERS = {"encoder": PreNormEncoderLayer, "decoder": PreNormDecoderLayer}
TORCHS = {"encoder": nn.TransformerEncoderLayer, "decoder": nn.TransformerDecoderLayer}
each = pytest.mark.parametrize("kind", LAYERS)


def layer(kind: str, n_heads: int = 3, **changes) -> nn.Module:
    return scatter_(LAYERS[kind](6, n_heads, 11, **{"dropout": 0.0, "activation": "relu"} | changes)).double().eval()


def tokens(kind: str, batch: int = 2) -> list[torch.Tensor]:
    """Return tokens, and a memory of another length for a decoder."""
    lengths = {"encoder": [5], "decoder": [5, 7]}[kind]
    return [draw(batch, n, 6, seed=n, dtype=torch.float64).requires_grad_() for n in lengths]


def torchs(kind: str, ours: nn.Module, n_heads: int) -> nn.Module:
    """Return PyTorch's own layer with the same weights."""
    theirs = TORCHS[kind](6, n_heads, 11, 0.0, "relu", batch_first=True, norm_first=True, dtype=torch.float64).eval()
    names = THEIRS[kind] | {
        "feed_forward.0": "linear1",
        "feed_forward.3": "linear2",
        "project_in.": "in_proj_",
        "project_out": "out_proj",
    }
    state = {}
    for name, weight in ours.state_dict().items():
        for before, after in names.items():
            name = name.replace(f"{before}.", f"{after}.") if not before.endswith(".") else name.replace(before, after)
        state[name] = weight
    theirs.load_state_dict(state)
    return theirs


@each
@pytest.mark.parametrize("n_heads", [1, 3])
@pytest.mark.parametrize("batch", [1, 2])
def test_equals_the_layer_of_pytorch(kind, n_heads, batch):
    ours, given = layer(kind, n_heads), tokens(kind, batch)
    assert_same_with_gradients(ours(*given), torchs(kind, ours, n_heads)(*given), given)


@each
def test_a_stack_applies_its_layers_one_after_the_other(kind):
    layers, (x, *memory) = [layer(kind), scatter_(layer(kind), seed=1)], tokens(kind)
    expected = layers[1](layers[0](x, *memory), *memory)
    torch.testing.assert_close(Stack(layers)(x, *memory), expected, rtol=0, atol=0)


@each
def test_recomputing_changes_no_gradient(kind):
    stack, given = Stack([layer(kind), layer(kind)]), tokens(kind)
    usual = stack(*given)
    let_recompute(stack, True)
    assert_same_with_gradients(stack(*given), usual, [*given, *stack.parameters()])


@each
def test_every_dropout_acts_once(kind):
    model = layer(kind, dropout=0.5).train()
    calls = count_dropouts(model)
    model(*tokens(kind))
    assert list(calls.values()) == [1] * {"encoder": 3, "decoder": 4}[kind]


@each
def test_bfloat16_is_kept_and_accurate(kind):
    model, given = layer(kind), tokens(kind)
    expected = model(*given)
    out = model.to(torch.bfloat16)(*(x.to(torch.bfloat16) for x in given))
    assert out.dtype == torch.bfloat16
    assert (out.double() - expected).norm() < 3e-2 * expected.norm()
