import pytest
import torch

from darts_tsformers.layers.mixing.gate import SoftmaxGate, build_gate
from darts_tsformers.layers.mixing.mixer import ChannelMixer, FeatureMixer, Mixer, PatchMixer
from darts_tsformers.layers.mixing.position import PatchPosition
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_
from tests.layers.mixing import _naive as naive

SIZES = {"B2-C3-N5-D4": (2, 3, 5, 4), "B1-C5-N1-D3": (1, 5, 1, 3), "B3-C1-N7-D2": (3, 1, 7, 2), "D1": (2, 3, 5, 1)}
sizes = pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES.keys())
forms = pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
norms = pytest.mark.parametrize("norm", ["layer", "batch"])


def built(mixer_class, *entries, **kwargs):
    return scatter_(mixer_class(*entries, dropout=0.0, **kwargs)).double().eval()


def mixers(shape, *, gated, norm, n_heads=1):
    """Build one mixer of each axis, with its definition."""
    _, n_channels, n_patches, d_model = shape
    common = {"gated": gated, "norm": norm}
    return {
        "channels": (built(ChannelMixer, n_channels, d_model, 3, **common), naive.channel_mixer),
        "patches": (built(PatchMixer, n_patches, d_model, 3, n_heads=None, **common), naive.patch_mixer),
        "attending": (built(PatchMixer, n_patches, d_model, 3, n_heads=n_heads, **common), naive.patch_mixer),
        "features": (built(FeatureMixer, d_model, 3, **common), naive.feature_mixer),
    }


@sizes
@forms
@norms
@pytest.mark.parametrize("axis", ["channels", "patches", "attending", "features"])
def test_a_mixer_equals_its_definition(shape, gated, norm, axis):
    mixer, definition = mixers(shape, gated=gated, norm=norm)[axis]
    x = draw(*shape, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(mixer(x), definition(mixer, x), [x, *mixer.parameters()])


@pytest.mark.parametrize("axis", ["channels", "patches", "attending", "features"])
def test_gradients_equal_finite_differences(axis):
    mixer, _ = mixers((1, 2, 3, 2), gated=True, norm="layer")[axis]
    x = draw(1, 2, 3, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(mixer, x)


def stack(**kwargs):
    return scatter_(Mixer(5, 4, 2, n_layers=2, **kwargs))


def test_a_stack_mixes_channels_then_patches_then_features():
    mixer = stack(n_channels=3, n_heads=2).double().eval()
    x = draw(2, 3, 5, 4, dtype=torch.float64)
    expected = x
    for layer in mixer.layers:
        expected = naive.channel_mixer(layer.channels, expected)
        expected = naive.patch_mixer(layer.patches, expected)
        expected = naive.feature_mixer(layer.features, expected)
    torch.testing.assert_close(mixer(x), expected)


def test_without_channels_to_mix_any_number_of_them_stay_apart():
    mixer, x = stack().eval(), draw(2, 7, 5, 4)
    whole = mixer(x)
    for c in range(7):
        torch.testing.assert_close(whole[:, c : c + 1], mixer(x[:, c : c + 1]))


@torch.no_grad()
@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_many_tokens_are_mixed_a_few_samples_at_a_time(norm):
    mixer, x = stack(n_channels=3, norm=norm).eval(), draw(307, 3, 5, 4)
    sizes = []
    mixer.layers[0].register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    torch.testing.assert_close(mixer(x), mixer._mixed(x))
    assert sizes == [80, 80, 80, 67, 307]
    sizes.clear()
    mixer.train()(x)
    assert sizes == [307]


def test_bfloat16_is_kept_and_accurate():
    mixer, x = stack(n_channels=3, n_heads=2).eval(), draw(2, 3, 5, 4)
    expected = mixer(x)
    out = mixer.to(torch.bfloat16)(x.to(torch.bfloat16))
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 3e-2 * expected.norm()


def test_every_dropout_acts_once():
    mixer = stack(n_channels=3, n_heads=2, dropout=0.5).train()
    calls = count_dropouts(mixer)
    mixer(draw(2, 3, 5, 4))
    assert len(calls) == 2 * 7
    assert set(calls.values()) == {1}


def test_shares_of_a_gate_are_recorded_and_sum_to_one():
    mixer, x = stack(n_channels=3).eval(), draw(2, 3, 5, 4)
    with recording("gates", "variables") as entries:
        mixer(x)
    assert [entry.tensors["weights"].shape for entry in entries["gates"]] == [(6, 5)] * 2
    assert [entry.tensors["weights"].shape for entry in entries["variables"]] == [(2, 3)] * 2
    for entry in entries["gates"] + entries["variables"]:
        torch.testing.assert_close(entry.tensors["weights"].sum(-1), torch.ones(len(entry.tensors["weights"])))
    first = mixer.layers[0].channels
    shares = first.gate.map(first.norm(x).permute(0, 2, 3, 1)).softmax(-1).mean((1, 2))
    torch.testing.assert_close(entries["variables"][0].tensors["weights"], shares)
    assert [entry.module for entry in entries["gates"]] == [layer.patches.gate for layer in mixer.layers]


def test_a_gate_over_one_entry_is_none():
    assert isinstance(build_gate(True, 2), SoftmaxGate)
    assert isinstance(build_gate(True, 1), torch.nn.Identity)
    assert isinstance(build_gate(False, 2), torch.nn.Identity)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_layers": 0}, "n_layers=0 must be an integer of at least 1"),
        ({"expansion_factor": 0}, "expansion_factor=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"n_heads": 3}, "n_heads=3 must divide d_model=4"),
        ({"norm": "rms"}, "norm='rms' must be one of ['batch', 'layer']"),
    ],
    ids=str,
)
def test_a_bad_argument_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        Mixer(**{"n_patches": 5, "d_model": 4, "expansion_factor": 2, "n_layers": 2} | arguments)


def test_fixed_positions_are_sines_and_cosines_of_no_mean_and_a_tenth_of_spread():
    table = PatchPosition(7, 6, "sincos").table
    plain = torch.empty(7, 6)
    for n in range(7):
        for i in range(3):
            angle = torch.tensor(n / 10000 ** (2 * i / 6))
            plain[n, 2 * i], plain[n, 2 * i + 1] = angle.sin(), angle.cos()
    torch.testing.assert_close(table, (plain - plain.mean()) / plain.std() / 10)
    torch.testing.assert_close(PatchPosition(7, 6, "sincos")(torch.ones(2, 3, 7, 6)), (1 + table).expand(2, 3, 7, 6))
    assert PatchPosition(7, 6, "sincos").state_dict() == {}


def test_learned_positions_start_with_a_spread_of_a_tenth():
    table = PatchPosition(67, 31, "learned").table
    assert isinstance(table, torch.nn.Parameter)
    assert 0.09 < table.std() < 0.11


@pytest.mark.parametrize(
    ("d_model", "kind", "message"),
    [
        (7, "sincos", "d_model=7 must be even: sincos positions take half sines, half cosines"),
        (6, "rotary", "positional_encoding='rotary' must be one of ['learned', 'sincos']"),
    ],
)
def test_bad_positions_are_refused_by_name(d_model, kind, message):
    with pytest.raises(ValueError, match=exactly(message)):
        PatchPosition(5, d_model, kind)
