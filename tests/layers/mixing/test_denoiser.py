import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.layers.diffusion_step import step_embedding
from darts_tsformers.layers.mixing.denoiser import PatchDenoiser
from darts_tsformers.layers.recomputing import let_recompute
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_
from tests.layers.mixing import _naive as naive

SIZES = {"patch_length": 4, "d_model": 5, "d_step": 6, "expansion_factor": 2, "n_layers": 3}
STEPS = torch.tensor([0, 11])


def denoiser(length: int = 11, **options) -> PatchDenoiser:
    return scatter_(PatchDenoiser(length, **SIZES | options)).double().eval()


def by_definition(network: PatchDenoiser, x: Tensor, t: Tensor, features: Tensor | None) -> Tensor:
    """Guess the noise of one series after the other, one patch after the other."""
    p, n_layers = network.patch_length, len(network.blocks)
    missing = -x.shape[1] % p
    guesses = []
    for b in range(len(x)):
        step = step_embedding(t[b : b + 1], network.d_step)
        for part in network.project_step:
            step = part(step)
        padded = torch.cat([x.new_zeros(missing), x[b]])
        tokens = []
        for n in range(0, len(padded), p):
            token = network.project_in(padded[n : n + p]) + step[0]
            if features is not None:
                rows = torch.cat([x.new_zeros(missing, features.shape[-1]), features[b]])[n : n + p]
                token = token + network.features.weight @ rows.reshape(-1)
            tokens.append(token)
        seen = [torch.stack(tokens)[None, None]]
        for i, block in enumerate(network.blocks):
            into = seen[i]
            if i >= n_layers - n_layers // 2:
                join = network.joins[i - (n_layers - n_layers // 2)]
                into = join(torch.cat([into, seen[n_layers - 1 - i]], dim=-1))
            if len(tokens) > 1:
                into = naive.patch_mixer(block.patches, into)
            seen.append(naive.feature_mixer(block.features, into))
        normed = F.layer_norm(seen[-1], (seen[-1].shape[-1],), network.norm.weight, network.norm.bias)
        guesses.append(network.project_out(normed).reshape(-1)[missing:])
    return torch.stack(guesses)


FORMS = {
    "L11-p4": (11, {}),
    "L12-p4-features": (12, {"n_features": 3}),
    "L7-p7-one-patch": (7, {"patch_length": 7, "n_features": 2, "n_layers": 4}),
    "L5-p1-D1": (5, {"patch_length": 1, "d_model": 1, "n_layers": 2}),
    "L5-p2-one-block": (5, {"patch_length": 2, "n_layers": 1}),
}


@pytest.mark.parametrize(("length", "options"), FORMS.values(), ids=FORMS)
def test_a_denoiser_is_what_its_equations_say(length, options):
    network = denoiser(length, **options)
    x = draw(2, length, dtype=torch.float64).requires_grad_()
    features = None
    if "n_features" in options:
        features = draw(2, length, options["n_features"], seed=1, dtype=torch.float64)
    ours = network(x, STEPS, features)
    assert_same_with_gradients(ours, by_definition(network, x, STEPS, features), [x, *network.parameters()])


def test_features_add_nothing_at_the_start():
    network = PatchDenoiser(11, **SIZES, n_features=3)
    x = draw(2, 11)
    assert torch.equal(network(x, STEPS, draw(2, 11, 3, seed=1)), network(x, STEPS))


def test_every_step_sees_every_other_and_how_far_the_diffusion_is():
    network, x = denoiser(), draw(1, 11, dtype=torch.float64)
    slopes = torch.autograd.functional.jacobian(lambda x: network(x, STEPS[:1]), x)
    assert (slopes != 0).all()
    assert not torch.isclose(network(x, STEPS[1:]), network(x, STEPS[:1])).any()


def test_computing_anew_changes_nothing():
    network, x = denoiser(), draw(2, 11, dtype=torch.float64).requires_grad_()
    kept = network(x, STEPS)
    let_recompute(network, True)
    assert_same_with_gradients(network(x, STEPS), kept, [x, *network.parameters()])


def test_every_dropout_is_applied_once():
    network = denoiser(dropout=0.3).train()
    calls = count_dropouts(network)
    network(draw(2, 11, dtype=torch.float64), STEPS)
    assert set(calls.values()) == {1}


def test_bfloat16_is_close():
    network, x = denoiser().float(), draw(2, 11)
    half = PatchDenoiser(11, **SIZES).eval().bfloat16()
    half.load_state_dict({name: one.bfloat16() for name, one in network.state_dict().items()})
    guess = half(x.bfloat16(), STEPS)
    assert guess.dtype == torch.bfloat16
    torch.testing.assert_close(guess.float(), network(x, STEPS), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"patch_length": 12}, "patch_length=12 must be at most 11, the steps of a series"),
        ({"patch_length": 0}, "patch_length=0 must be an integer of at least 1"),
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"n_layers": 0}, "n_layers=0 must be an integer of at least 1"),
        ({"expansion_factor": 0}, "expansion_factor=0 must be an integer of at least 1"),
        ({"d_step": 7}, "d_step=7 must be even: it is sines and cosines"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments(argument, message):
    with pytest.raises(ValueError, match=exactly(message)):
        denoiser(**argument)
