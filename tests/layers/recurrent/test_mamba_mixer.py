import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.recurrent.mamba_mixer import MambaMixerStack, WeightedSkips
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

SIZES = {"d_state": 3, "d_conv": 2, "expand": 2, "n_recorded": 3}


def stack(n_layers: int = 3, **changes) -> MambaMixerStack:
    return scatter_(MambaMixerStack(5, n_layers=n_layers, **SIZES | changes)).double().eval()


def patches(batch: int = 2, n_variates: int = 4, n_patches: int = 7) -> Tensor:
    return draw(batch, n_variates, n_patches, 5, dtype=torch.float64).requires_grad_()


def mixed(layers: MambaMixerStack, x: Tensor, order: list[list[int]], *, residual: bool) -> Tensor:
    """Mix as the equations say: variate by variate over time, patch by patch over variates, sample by sample."""
    times, variates = [x], [x]
    for depth, layer in enumerate(layers.layers, start=1):
        alpha, beta = layer.into_time.times, layer.into_time.variates
        into = sum(alpha[i] * times[i] + beta[i] * variates[i] for i in range(depth))
        normed = layer.time_norm(into)
        over_time = torch.stack([layer.time_mixer.block(normed[:, m]) for m in range(x.shape[1])], dim=1)
        times.append(into + over_time if residual else over_time)
        theta, gamma = layer.into_variates.times, layer.into_variates.variates
        into = sum(theta[i] * times[i] for i in range(depth + 1)) + sum(gamma[i] * variates[i] for i in range(depth))
        normed = layer.variate_norm(into)
        over_variates = torch.stack(
            [layer.variate_mixer(normed[:, :, n], torch.tensor(order)) for n in range(x.shape[2])], dim=2
        )
        variates.append(into + over_variates if residual else over_variates)
    return variates[-1]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("n_variates", "n_patches"), [(4, 7), (1, 3), (3, 1)])
def test_a_stack_is_what_its_equations_say(n_variates, n_patches, residual):
    layers, x = stack(residual=residual), patches(2, n_variates, n_patches)
    given = [list(range(n_variates))] * 2
    expected = mixed(layers, x, given, residual=residual)
    assert_same_with_gradients(layers(x, 1), expected, [x, *layers.parameters()])


def test_each_sample_is_mixed_in_its_own_order():
    layers, x, order = stack(), patches(), [[2, 0, 3, 1], [1, 3, 0, 2]]
    expected = mixed(layers, x, order, residual=False)
    assert_same_with_gradients(layers(x, 2, torch.tensor(order)), expected, [x, *layers.parameters()])


def test_weights_of_the_layer_before_alone_make_a_plain_stack():
    layers, x = stack(), patches().detach()
    with torch.no_grad():
        for layer in layers.layers:
            for skips in (layer.into_time, layer.into_variates):
                skips.times.zero_()
                skips.variates.zero_()
            layer.into_time.variates[-1] = 1.0
            layer.into_variates.times[-1] = 1.0
    expected = x
    for layer in layers.layers:
        over_time = layer.time_mixer(layer.time_norm(expected), 1)
        expected = layer._over_variates(layer.variate_norm(over_time), None)
    torch.testing.assert_close(layers(x, 1), expected)


def test_skips_start_alike_with_a_sum_of_one():
    for n_times, n_variates in ((1, 1), (5, 4)):
        weights = torch.cat(list(WeightedSkips(n_times, n_variates).parameters()))
        torch.testing.assert_close(weights, torch.full_like(weights, 1 / (n_times + n_variates)))


@torch.no_grad()
def test_what_is_recorded():
    layers, x = stack(2), patches()
    with recording("attention", "steps", "skips") as record:
        layers(x, 3)
    by_module = {entry.module: entry.tensors for entry in record["attention"]}
    lengths = {entry.module: entry.tensors["length"] for entry in record["steps"]}
    layer = layers.layers[0]
    shown = layer.time_norm(layer.into_time([x], [x]))[:, :3].flatten(0, 1)
    size = layer.time_mixer.block.attention_size(shown)[:, :3, :3]  # of the first patches; none sees a later one
    torch.testing.assert_close(by_module[layer.time_mixer]["weights"][:, 0], size / size.sum(-1, keepdim=True))
    torch.testing.assert_close(lengths[layer.time_mixer], layer.time_mixer.block.step_lengths(shown)[:, :3])
    assert by_module[layer.variate_mixer]["weights"].shape == (2, 1, 4, 4)
    assert lengths[layer.variate_mixer].shape == (2, 4)
    skips = [entry.tensors["weights"] for entry in record["skips"]]
    assert [tuple(one.shape) for one in skips] == [(2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 3)]
    into = layers.layers[1].into_variates
    expected = [[*into.times.tolist()], [*into.variates.tolist(), 0.0]]
    assert skips[-1].tolist() == [expected] * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"dropout": -0.1}, "dropout=-0.1 must be in [0, 1)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_size_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        stack(**changes)
