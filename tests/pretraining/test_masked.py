"""What is hidden, what is seen of it, and what is guessed from what is left."""

import pytest
import torch

from darts_tsformers.networks import ITransformer, PatchTSMixer, PatchTST, SMamba
from darts_tsformers.pretraining import OBJECTIVES, Masked, Objective
from darts_tsformers.pretraining.encoder import head_names
from darts_tsformers.pretraining.masked import hidden_of
from darts_tsformers.window import Sizes, Window
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_
from tests.pretraining import _naive

L, H, C = 23, 5, 3
APART = {"patch_length": 5, "stride": 5}
SMALL = {"d_model": 7, "dropout": 0.0}
PATCHED = {
    "patchtst": (PatchTST, APART | {"pad_end": False, "n_heads": 1, "norm": "layer", "n_encoder_layers": 2}),
    "overlapping": (PatchTST, {"patch_length": 5, "stride": 3, "n_heads": 7, "norm": "batch", "n_encoder_layers": 1}),
    "two backbones": (PatchTST, APART | {"n_heads": 1, "decomposition_kernel": 3, "n_encoder_layers": 1}),
    "patchtsmixer": (PatchTSMixer, APART | {"n_layers": 2}),
}
VARIATES = {
    "itransformer": (ITransformer, {"n_heads": 1, "n_encoder_layers": 2}),
    "smamba": (SMamba, {"n_encoder_layers": 1, "d_state": 3}),
}
each_patched = pytest.mark.parametrize("form", PATCHED)
each_inverted = pytest.mark.parametrize("form", VARIATES)
each_form = pytest.mark.parametrize("form", [*PATCHED, *VARIATES])


def made(form: str, dtype: torch.dtype = torch.float64, n_targets: int = C, n_parameters: int = 1, **settings):
    network_class, arguments = (PATCHED | VARIATES)[form]
    sizes = Sizes(L, H, n_targets=n_targets, n_static=2, n_parameters=n_parameters)
    network = network_class(sizes, **SMALL | arguments)
    objective = Masked(network, **settings)
    return scatter_(network).to(dtype), scatter_(objective, seed=1).to(dtype)


def windows(n: int = 2, *, n_targets: int = C, dtype: torch.dtype = torch.float64, gaps: bool = False) -> Window:
    target = draw(n, L, n_targets, dtype=dtype)
    missing = draw(n, L, n_targets, seed=3) < -0.5 if gaps else None
    return Window(target, static=draw(n, n_targets, 2, seed=2, dtype=dtype), missing=missing)


@each_patched
@pytest.mark.parametrize("gaps", [False, True], ids=["", "gaps"])
@pytest.mark.parametrize("n", [1, 2], ids=["B1", "B2"])
def test_hidden_patches_are_guessed_as_by_definition(form, gaps, n):
    network, objective = made(form)
    window = windows(n, gaps=gaps)
    torch.manual_seed(5)
    (lesson,) = objective(network, window).lessons
    torch.manual_seed(5)
    at, counts = objective.drawn(window.target)
    naive = _naive.guesses(network, objective, window, at)
    p = network.token_steps.shape[1]
    expected = torch.stack(
        [
            torch.stack([naive[b, c, k, place] for k in range(at.shape[2]) for place in range(p)])
            for b in range(n)
            for c in range(C)
        ]
    )
    inputs = [p for p in [*network.parameters(), *objective.parameters()] if p.requires_grad]
    assert counts is None
    assert lesson.counts is None
    assert_same_with_gradients(lesson.forecast.squeeze(-1).mT, expected.view(n, C, -1), inputs)
    assert torch.equal(lesson.steps.mT.unflatten(-1, (-1, p)), network.token_steps[at])


@each_inverted
@pytest.mark.parametrize("gaps", [False, True], ids=["", "gaps"])
def test_hidden_variates_are_guessed_as_by_definition(form, gaps):
    network, objective = made(form)
    window = Window(windows(4, gaps=gaps).target, missing=windows(4, gaps=gaps).missing)
    torch.manual_seed(5)
    (lesson,) = objective(network, window).lessons
    expected = _naive.guessed_variates(network, objective, window, lesson.counts[:, 0])
    inputs = [*network.parameters(), *objective.parameters()]
    assert lesson.counts.sum(dim=-1).flatten().tolist() == [2] * 4  # of three, one stays
    assert_same_with_gradients(lesson.forecast.squeeze(-1), expected, inputs)
    assert torch.equal(lesson.steps, torch.arange(L)[:, None].expand(4, L, C))


@each_form
@pytest.mark.parametrize("gaps", [False, True], ids=["", "gaps"])
def test_what_is_hidden_has_no_influence(form, gaps):
    network, objective = made(form)
    objective.eval()
    window = windows(gaps=gaps)
    (lesson,) = objective(network, window).lessons
    hidden = torch.zeros(2, C, L, dtype=torch.bool).scatter(-1, lesson.steps.mT, True).mT
    if lesson.counts is not None:
        hidden &= lesson.counts
    changed = Window(torch.where(hidden, 100.0, window.target), static=window.static, missing=window.missing)
    (other,) = objective(network, changed).lessons
    assert hidden.any()
    assert not hidden.all()
    torch.testing.assert_close(other.forecast, lesson.forecast)
    seen = Window(torch.where(hidden, window.target, 100.0), static=window.static, missing=window.missing)
    (moved,) = objective(network, seen).lessons
    assert (moved.forecast - lesson.forecast).abs().max() > 1e-3


@each_form
def test_the_parameters_of_a_likelihood_are_guessed(form):
    network, objective = made(form, n_parameters=2)
    (lesson,) = objective(network, windows()).lessons
    assert lesson.forecast.shape == (*lesson.steps.shape, 2)


@each_form
def test_every_parameter_but_the_head_learns(form):
    network, objective = made(form)
    (lesson,) = objective(network, windows()).lessons
    lesson.forecast.sum().backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None}
    assert idle == head_names(network)
    assert any("head" in name for name in idle)
    assert all(p.grad is not None for p in objective.parameters())


@each_form
def test_looking_for_the_head_leaves_no_trace(form):
    network, _ = made(form)
    frozen = next(iter(network.parameters())).requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    head_names(network.train())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert all(part.training for part in network.modules())
    assert [p is frozen for p in network.parameters() if not p.requires_grad] == [True]


@each_form
def test_in_half_precision(form):
    network, objective = made(form, torch.bfloat16)
    (lesson,) = objective(network, windows(dtype=torch.bfloat16)).lessons
    assert lesson.forecast.dtype is torch.bfloat16
    assert lesson.forecast.isfinite().all()


@each_form
def test_training_draws_anew_and_evaluation_does_not(form):
    _network, objective = made(form)
    drawn = [objective.drawn(windows(7).target) for _ in range(2)]
    assert not all(torch.equal(one, other) for one, other in zip(*drawn, strict=True) if one is not None)
    objective.eval()
    fixed = [objective.drawn(windows(7).target) for _ in range(2)]
    assert all(torch.equal(one, other) for one, other in zip(*fixed, strict=True) if one is not None)


@each_patched
def test_a_network_of_patches_guesses_no_patch_that_is_seen(form):
    network, objective = made(form, mask_ratio=0.5)
    mapped = []
    objective.head.register_forward_hook(lambda _, given, out: mapped.append(given[0].shape[:3]))
    objective(network, windows())
    n = len(network.token_steps)
    assert mapped == [(2, C, n - n // 2)]


def test_components_hide_the_same_patches_if_told_to():
    _network, objective = made("patchtst", channel_consistent=True)
    at, _ = objective.drawn(windows(11).target)
    assert (at == at[:, :1]).all()
    assert not (at == at[:1]).all()
    at, _ = made("patchtst")[1].drawn(windows(11).target)
    assert not (at == at[:, :1]).all()


def test_the_last_patches_can_be_hidden():
    _network, objective = made("patchtst", mask="last", mask_ratio=0.5)
    at, _ = objective.drawn(windows().target)
    assert at.sort(dim=-1).values.tolist() == [[[2, 3]] * C] * 2  # of four


@pytest.mark.parametrize(
    ("n", "ratio", "n_hidden"), [(42, 0.4, 17), (10, 0.4, 4), (5, 0.01, 1), (5, 0.99, 4), (2, 0.5, 1), (3, 0.4, 2)]
)
def test_how_many_are_hidden(n, ratio, n_hidden):
    scores = draw(3, n)
    hidden = hidden_of(scores, ratio)
    assert hidden.shape == (3, n_hidden)
    for row, mine in zip(scores, hidden, strict=True):
        seen = [i for i in range(n) if i not in mine]
        assert row[mine].min() > row[seen].max()


def test_drawn_components_of_variates_have_one_stand_in():
    network, objective = made("itransformer")
    (lesson,) = objective(network, Window(windows(n_targets=2).target)).lessons
    lesson.forecast.sum().backward()
    assert objective.stand_in.grad.abs().sum() > 0
    assert (objective.stand_in.grad == objective.stand_in.grad[:, :1]).all()


def test_hidden_variates_can_be_told_apart_once_it_has_learnt():
    network, objective = made("itransformer")
    hidden = torch.tensor([[[True, True, False]]])
    at = torch.zeros(1, 3, 1, dtype=torch.long)
    steps = objective.steps[at].flatten(-2)
    tokens = network.encode(objective.hide(Window(draw(1, L, C, dtype=torch.float64)), steps, hidden))
    assert (tokens[0, 0] - tokens[0, 1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("form", "settings", "message"),
    [
        ("patchtst", {"mask_ratio": 0}, "mask_ratio=0 must be above 0"),
        ("patchtst", {"mask_ratio": 1.0}, "mask_ratio=1.0 must be in [0, 1)"),
        ("patchtst", {"mask": "first"}, "mask='first' must be one of ['last', 'random']"),
        ("patchtst", {"channel_consistent": 1}, "channel_consistent=1 must be True or False"),
        ("patchtst", {"head_dropout": -0.1}, "head_dropout=-0.1 must be in [0, 1)"),
        (
            "smamba",
            {"n_targets": 1},
            "objective='masked' needs two components or more to hide some of them, but there is one",
        ),
    ],
)
def test_bad_settings_are_named(form, settings, message):
    with pytest.raises(ValueError, match=exactly(message)):
        made(form, **settings)


def test_one_patch_is_too_few():
    network = PatchTST(Sizes(L, H), patch_length=L, stride=L, pad_end=False, **SMALL | {"n_heads": 1})
    message = "objective='masked' needs two patches or more to hide some of them, but there is one"
    with pytest.raises(ValueError, match=exactly(message)):
        Masked(network)


def test_an_objective_has_a_name_of_its_own():
    with pytest.raises(ValueError, match="name='masked' is already the name of darts_tsformers"):

        class Other(Objective, name="masked"):
            pass

    assert OBJECTIVES["masked"] is Masked
