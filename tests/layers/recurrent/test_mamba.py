import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.layers.recurrent.mamba import MambaBlock
from darts_tsformers.recurrence.naive.selective_scan import selective_scan
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

SETTINGS = [
    {"d_model": 5, "d_state": 3},
    {"d_model": 17, "d_state": 2, "d_conv": 2, "expand": 1},
    {"d_model": 1, "d_state": 1, "d_conv": 1, "expand": 3, "dt_rank": 2},
]
every_block = pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(f"{k}{v}" for k, v in s.items()))


def make(settings: dict[str, int], dtype: torch.dtype = torch.float64) -> MambaBlock:
    return scatter_(MambaBlock(**settings)).to(dtype)


def naive(block: MambaBlock, x: Tensor) -> Tensor:
    """Compute a block step by step and feature by feature."""
    d_conv, n, rank = block.conv1d.kernel_size[0], block.A_log.shape[1], block.dt_proj.weight.shape[1]
    d_inner = block.D.shape[0]
    projected = x @ block.in_proj.weight.T
    entering, gate = projected[..., :d_inner], projected[..., d_inner:]
    values = torch.zeros_like(entering) + block.conv1d.bias
    for lag in range(min(d_conv, x.shape[1])):
        taken = block.conv1d.weight[:, 0, d_conv - 1 - lag] * entering[:, : x.shape[1] - lag]
        values = values + F.pad(taken, (0, 0, lag, 0))
    values = values * torch.sigmoid(values)
    selected = values @ block.x_proj.weight.T
    delta = torch.log1p(torch.exp(selected[..., :rank] @ block.dt_proj.weight.T + block.dt_proj.bias))
    B, C = selected[..., rank : rank + n], selected[..., rank + n :]
    y, _ = selective_scan(values, delta, -torch.exp(block.A_log), B, C, block.D)
    return (y * gate * torch.sigmoid(gate)) @ block.out_proj.weight.T


@pytest.mark.parametrize("length", [1, 2, 13])
@every_block
def test_it_is_what_its_equations_say(settings, length):
    block = make(settings)
    x = draw(3, length, settings["d_model"], dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(block(x), naive(block, x), [x, *block.parameters()])


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("split", [1, 2, 5, 13])
@every_block
def test_a_stream_is_the_whole_wherever_it_is_split(settings, split, dtype, atol):
    block, x = make(settings, dtype), draw(3, 13, settings["d_model"], dtype=dtype)
    whole, end = block.begin(x)
    begun, state = block.begin(x[:, :split])
    parts = [begun]
    for t in range(split, 13):
        y, state = block.advance(x[:, t], state)
        parts.append(y[:, None])
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=atol)
    torch.testing.assert_close(vars(state), vars(end), rtol=0, atol=atol)


def test_the_state_is_small():
    _, state = make({"d_model": 5, "d_state": 3}).begin(draw(2, 101, 5, dtype=torch.float64))
    assert state.recent.shape == (2, 3, 10)
    assert state.scan.shape == (2, 10, 3)


def test_no_step_sees_a_later_one():
    block, x = make({"d_model": 5, "d_state": 3}), draw(2, 13, 5, dtype=torch.float64)
    before = block(x)
    x[:, 7:] += 100
    after = block(x)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.isclose(before[:, 7:], after[:, 7:]).any()


def test_a_sample_does_not_depend_on_its_batch_mates():
    block, x = make({"d_model": 5, "d_state": 3}), draw(5, 13, 5, dtype=torch.float64)
    torch.testing.assert_close(block(x)[2:3], block(x[2:3]), rtol=0, atol=1e-13)


def test_half_precision_stays_close():
    block, x = make({"d_model": 17, "d_state": 3}, torch.float32), draw(3, 29, 17)
    expected = block(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = block(x)
    half = block.bfloat16()(x.bfloat16())
    for out in (mixed, half):
        assert out.dtype == torch.bfloat16
        torch.testing.assert_close(out.float(), expected, rtol=0, atol=0.03 * expected.abs().max().item())


def test_the_hidden_attention_makes_the_output_of_the_scan():
    block = make({"d_model": 5, "d_state": 3})
    with torch.no_grad():
        block.out_proj.weight.copy_(torch.eye(5, 10))
        block.in_proj.weight[10:] = 1.0
    x = draw(2, 11, 5, dtype=torch.float64)
    entering = F.pad(x @ block.in_proj.weight[:10].T, (0, 0, 3, 0))
    values = F.silu(block.conv1d(entering.mT).mT)
    scanned = torch.einsum("bdij,bjd->bid", block.hidden_attention(x), values) + block.D * values
    gate = F.silu(x.sum(-1, keepdim=True))
    torch.testing.assert_close(block(x), (scanned * gate)[..., :5])


@torch.no_grad()
def test_what_an_explanation_shows_is_a_mean_over_all_features():
    block, x = make({"d_model": 19, "d_state": 3}), draw(2, 7, 19, dtype=torch.float64)
    torch.testing.assert_close(block.attention_size(x), block.hidden_attention(x).abs().mean(1))
    selected = []
    block.dt_proj.register_forward_hook(lambda *args: selected.append(args[2]))
    lengths = block.step_lengths(x)
    torch.testing.assert_close(lengths, F.softplus(selected[0]).mean(-1))


def test_the_first_values():
    block = MambaBlock(33, d_state=5)
    assert block.dt_proj.in_features == 3  # of 33 / 16, not of the 66 inner features
    torch.testing.assert_close(-torch.exp(block.A_log), -torch.arange(1.0, 6.0).expand(66, 5))
    assert torch.equal(block.D, torch.ones(66))
    assert 0.9 * 3**-0.5 < block.dt_proj.weight.abs().max() <= 3**-0.5
    lengths = F.softplus(block.dt_proj.bias.double())
    assert 1e-3 * (1 - 1e-3) <= lengths.min() < 3e-3
    assert 3e-2 < lengths.max() <= 1e-1 * (1 + 1e-5)
    assert abs(lengths.log().mean().item() - math.log(1e-2)) < 0.6  # evenly spread on a logarithmic scale


def test_an_exported_block_serves_any_batch():
    block = make({"d_model": 5, "d_state": 3}).eval()
    axes = ({0: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(block, (draw(3, 13, 5, dtype=torch.float64),), dynamic_shapes=axes).module()
    for n in (1, 3, 7):
        x = draw(n, 13, 5, dtype=torch.float64)
        torch.testing.assert_close(exported(x), block(x))


@pytest.mark.parametrize("name", ["d_model", "d_state", "d_conv", "expand", "dt_rank"])
@pytest.mark.usefixtures("unchecked")
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ValueError, match=exactly(f"{name}=0 must be an integer of at least 1")):
        MambaBlock(**{"d_model": 5, name: 0})
