"""FIT: groups of tokens, and latents of groups."""

import pytest
import torch

from darts_tsformers.attention.naive.full import full_attention
from darts_tsformers.layers.transformer.interleaved import InterleavedBlock, InterleavedEncoder
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_, watch_sizes

SIZES = {"n_tokens": 17, "group_size": 5, "n_latents": 2}
either_way = pytest.mark.parametrize("causal", [False, True], ids=["both ways", "causal"])


def block(causal=False, **changes):
    made = InterleavedBlock(6, 3, **(SIZES | {"n_local_layers": 2} | changes), causal=causal)
    return scatter_(made).double().eval()


def attended(layer, x, memory, causal=False):
    q, k, v = (
        of.unflatten(-1, (3, 2)).transpose(1, 2)
        for of in (x @ layer.project_q.weight.T, *(memory @ layer.project_kv.weight.T).chunk(2, dim=-1))
    )
    return x + full_attention(q, k, v, causal=causal)[0].transpose(1, 2).flatten(2) @ layer.project_out.weight.T


def by_definition(block, x, causal):
    """Group by group; causal latents attend to those of each earlier group, one group at a time."""
    groups = list(x.split(block.group_size, dim=1))
    for layer in block.local:
        groups = [attended(layer, group, group, causal) for group in groups]
    latents = [
        attended(block.read, own.expand(len(x), -1, -1), group)
        for own, group in zip(block.latents, groups, strict=False)
    ]
    for layer in block.among:
        latents = [
            attended(layer, own, torch.cat(latents[: i + 1] if causal else latents, dim=1))
            for i, own in enumerate(latents)
        ]
    if causal:
        read = [groups[0]] + [attended(block.write, *pair) for pair in zip(groups[1:], latents, strict=False)]
    else:
        read = [attended(block.write, *pair) for pair in zip(groups, latents, strict=True)]
    return torch.cat(read, dim=1)


@either_way
@pytest.mark.parametrize("length", [17, 15, 13, 5, 3, 1])
def test_a_block_equals_its_definition(length, causal):
    made = block(causal)
    x = draw(3, length, 6, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(made(x)[0], by_definition(made, x, causal), [x, *made.parameters()])


def test_one_group_without_latents_to_write_is_attention_of_all_to_all():
    made = block(n_tokens=13, group_size=13, n_local_layers=1)
    with torch.no_grad():
        made.write.project_out.weight.zero_()
    x = draw(2, 13, 6, dtype=torch.float64)
    torch.testing.assert_close(made(x)[0], attended(made.local[0], x, x))


def encoder(**changes):
    return scatter_(InterleavedEncoder(6, 3, 11, **(SIZES | {"n_blocks": 2} | changes))).eval()


@pytest.mark.parametrize("moved", [0, 4, 5, 9, 12, 16])
def test_causal_tokens_do_not_move_when_the_future_does(moved):
    made = encoder(causal=True)
    x = draw(2, 17, 6)
    before = made(x)
    x[:, moved:] += 3.0
    after = made(x)
    assert torch.equal(before[:, :moved], after[:, :moved])
    assert not torch.equal(before[:, moved:], after[:, moved:])


def test_without_causality_far_groups_are_seen():
    made = encoder()
    x = draw(2, 17, 6)
    before = made(x)
    x[:, -1] += 3.0
    assert (made(x)[:, 0] != before[:, 0]).any()


@either_way
def test_a_sample_does_not_depend_on_its_batch_mates(causal):
    made, x = encoder(causal=causal), draw(3, 17, 6)
    torch.testing.assert_close(made(x)[1:2], made(x[1:2]))


@either_way
def test_bfloat16_is_kept(causal):
    made, x = encoder(causal=causal), draw(2, 13, 6)
    out = encoder(causal=causal).bfloat16()(x.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), made(x), rtol=0.1, atol=0.1)


@either_way
def test_every_parameter_gets_a_gradient(causal):
    made = encoder(causal=causal)
    made(draw(2, 17, 6)).sum().backward()
    assert [name for name, parameter in made.named_parameters() if parameter.grad is None] == []


@either_way
def test_an_exported_graph_takes_any_batch(causal):
    made, batch = encoder(causal=causal, n_blocks=1), {0: torch.export.Dim("batch", min=1, max=64)}
    exported = torch.export.export(made, (draw(2, 17, 6),), dynamic_shapes=(batch,)).module()
    x = draw(3, 17, 6)
    torch.testing.assert_close(exported(x), made(x))


def test_nothing_quadratic_is_built():
    made = InterleavedEncoder(4, 1, 4, n_tokens=1031, n_latents=2).eval()
    with watch_sizes() as sizes:
        made(draw(1, 1031, 4))
    assert max(sizes) < 1031 * 32


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=exactly("the encoder was made for at most n_tokens=17, not 18")):
        encoder()(draw(1, 18, 6))
    with pytest.raises(ValueError, match=exactly("group_size=0 must be an integer of at least 1")):
        encoder(group_size=0)
    with pytest.raises(ValueError, match=exactly("n_heads=3 must divide d_model=7")):
        InterleavedEncoder(7, 3, 11, n_tokens=5)
