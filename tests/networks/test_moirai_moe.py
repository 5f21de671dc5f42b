"""Moirai-MoE against tokens made one by one, and paths that read everything anew."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.networks import MoiraiMoE, moirai_moe
from darts_tsformers.networks._paths import drawn_paths
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import draw, exactly, make_window, rows, scatter_
from tests.networks import _naive_moirai as naive
from tests.networks.diffusions import noise_for

SIZES = Sizes(11, 7, n_targets=3)
ALL = replace(SIZES, n_past=1, n_future=2, n_static=2)
TINY = {
    "patch_lengths": (2, 3), "d_model": 16, "n_heads": 2, "n_decoder_layers": 2, "d_ff": 5, "n_experts": 5,
    "n_paths": 5,
}  # fmt: skip
FORMS = {
    "targets": (SIZES, {}),
    "all": (ALL, {}),
    "shift": (replace(ALL, output_shift=2), {"patch_length": 2}),
    "one patch": (replace(ALL, output_length=3), {"farthest": True}),
    "one value": (Sizes(1, 1), {"n_experts_per_token": 1}),
}
every_form = pytest.mark.parametrize(("sizes", "options"), FORMS.values(), ids=FORMS)
both = pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])


def network(sizes: Sizes = SIZES, **changes) -> MoiraiMoE:
    torch.manual_seed(0)
    return scatter_(MoiraiMoE(sizes, **TINY | changes)).double().eval()


def window_of(sizes: Sizes = SIZES, *, padded: bool = False, **options) -> Window:
    window = make_window(sizes, dtype=torch.float64, **options)
    following = draw(3, sizes.output_length, sizes.n_targets, seed=5, dtype=torch.float64)
    window = replace(window, future_target=following)
    if not padded or sizes.input_length == 1:
        return window
    start = torch.tensor([0, 4, 8])
    missing = draw(3, sizes.input_length, sizes.n_targets, seed=6) > 1
    missing |= torch.arange(sizes.input_length)[:, None] < start[:, None, None]
    return replace(window, start=start, missing=missing)


def median_like(mixture) -> Tensor:
    """Take a value that depends on all parameters, in place of a draw."""
    return mixture.t_loc + 0.3 * mixture.mean.tanh() + 0.1 * mixture.log_weights[..., 2]


@every_form
@both
def test_a_path_is_the_one_that_makes_each_token_anew(sizes, options, padded):
    model, window = network(sizes, **options), window_of(sizes, padded=padded)
    expected = torch.stack([naive.path(model, window, b, median_like) for b in range(3)])
    torch.testing.assert_close(model.decoded(window, median_like), expected, rtol=1e-9, atol=1e-9)


@every_form
@both
@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_it_learns_the_likelihood_of_each_patch_behind_the_known_ones(sizes, options, padded, training, monkeypatch):
    model, window = network(sizes, **options).train(training), window_of(sizes, padded=padded)
    known = model._known(window)
    monkeypatch.setattr(model, "_known", lambda _: known)
    learnt = model.learn(window)
    (score,) = learnt.scores
    assert (learnt.forecast, list(learnt.lessons), learnt.penalties) == (None, [], {})
    assert score.cost.isfinite().all()
    for b in range(3):
        expected = naive.costs(model, window, b, int(known[b]))
        counted = {tuple(place) for place in score.counts[b].nonzero().tolist()}
        assert counted == set(expected)
        for (step, c), cost in expected.items():
            torch.testing.assert_close(score.cost[b, step, c], cost, rtol=1e-9, atol=1e-9)


def test_the_known_part_is_drawn_between_a_share_and_the_end_of_the_look_back():
    model, window = network(Sizes(30, 6, n_targets=3)).train(), window_of(Sizes(30, 6, n_targets=3))
    drawn = torch.cat([model._known(window) for _ in range(200)])
    assert drawn.unique().tolist() == list(range(3, 11))
    late = replace(window, start=torch.tensor([0, 12, 28]))
    drawn = torch.stack([model._known(late) for _ in range(200)])
    assert drawn.amin(0).tolist() == [3, 6, 10]
    assert drawn.amax(0).tolist() == [10, 10, 10]
    assert model.eval()._known(late).tolist() == [10, 10, 10]


def test_padding_is_as_if_it_were_not_there():
    model, window = network(ALL), replace(window_of(ALL), start=torch.full((3,), 2))
    short = network(replace(ALL, input_length=9))
    short.load_state_dict(model.state_dict())
    shorter = replace(
        window, start=None, target=window.target[:, 2:], past=window.past[:, 2:],
        historic_future=window.historic_future[:, 2:],
    )  # fmt: skip
    torch.testing.assert_close(model(window), short(shorter))


def test_the_order_of_components_does_not_matter():
    model, window = network(ALL), window_of(ALL)
    order = [2, 0, 1]
    turned = replace(window, target=window.target[..., order], static=window.static[:, order])
    ours, theirs = model.decoded(window, median_like), model.decoded(turned, median_like)
    torch.testing.assert_close(ours[..., order], theirs)


def test_components_look_at_each_other():
    model, window = network(), window_of()
    other = window.target.clone()
    other[..., 2] = other[..., 2].flip(1)
    moved = model.decoded(window, median_like) - model.decoded(replace(window, target=other), median_like)
    assert (moved[..., :2].abs().amax((1, 2)) > 1e-6).all()


def test_future_covariates_of_a_patch_act_on_the_next():
    """Two values of one patch that change places leave level and spread as they are."""
    sizes = replace(ALL, input_length=12)
    model, window = network(sizes), window_of(sizes)
    swapped = window.future.clone()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]
    moved = model.decoded(window, median_like) - model.decoded(replace(window, future=swapped), median_like)
    assert moved[:, :3].abs().max() < 1e-12
    assert moved[:, 3:6].abs().max() > 1e-6


def test_any_unit_of_any_variate_is_alike():
    """But for what is added to variances, and for zeros that fill up a look-back: there are none here."""
    sizes = replace(ALL, input_length=12)
    model, window = network(sizes), window_of(sizes)
    other = replace(window, target=1e2 * window.target + 70, past=50 * window.past - 2)
    ours, theirs = model.decoded(window, median_like), model.decoded(other, median_like)
    torch.testing.assert_close(1e2 * ours + 70, theirs, rtol=1e-3, atol=1e-1)


def test_paths_are_batched_and_each_is_the_one_drawn_alone():
    model, window = network(ALL), window_of(ALL, padded=True)
    together = drawn_paths(model.sample, window, 7, rows=1000)
    one_by_one = drawn_paths(model.sample, window, 7, rows=1)
    torch.testing.assert_close(together, one_by_one)
    torch.testing.assert_close(model(window)[..., 0], drawn_paths(model.sample, window, 5).median(0).values)


def test_fewer_paths_are_drawn_at_a_time_where_there_are_many_tokens(monkeypatch):
    model, window = network(ALL), window_of(ALL)
    plain, rows_seen = model(window), []
    decode = model.decoded
    monkeypatch.setattr(
        model, "decoded", lambda given, choose: rows_seen.append(len(given.target)) or decode(given, choose)
    )
    n_tokens = (3 + 1 + 2) * (4 + 3)
    monkeypatch.setattr(moirai_moe, "PAIRS_AT_ONCE", 7 * n_tokens**2)
    torch.testing.assert_close(model(window), plain)
    assert rows_seen == [6, 6, 3]


def test_the_same_seed_draws_the_same_paths():
    model, window = network(), window_of()
    first, again, other = (model.sample(window, noise_for(window, seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_samples_do_not_see_each_other():
    model, window = network(ALL), window_of(ALL, padded=True)
    whole = model(window)
    for i in range(3):
        torch.testing.assert_close(model(rows(window, slice(i, i + 1))), whole[i : i + 1])


def test_static_covariates_say_nothing_at_the_start():
    model, window = network(ALL), window_of(ALL)
    torch.nn.init.zeros_(model.static.weight)
    other = replace(window, static=window.static + 1)
    torch.testing.assert_close(model(window), model(other), rtol=0, atol=0)


def test_gradients_equal_finite_differences():
    sizes = Sizes(5, 3, n_targets=2)
    model = network(sizes, n_decoder_layers=1)
    target, future = draw(1, 5, 2, dtype=torch.float64), draw(1, 3, 2, seed=1, dtype=torch.float64)

    def loss(past: Tensor, following: Tensor) -> Tensor:
        score = model.learn(Window(past, future_target=following)).scores[0]
        return score.cost[score.counts]

    assert torch.autograd.gradcheck(loss, (target.requires_grad_(), future.requires_grad_()))


@both
def test_what_is_recorded_is_of_the_look_back_by_time_and_by_variate(padded):
    model, window = network(ALL), window_of(ALL, padded=padded)
    plain = model(window)
    with recording("attention", "routing", "spread") as record:
        assert torch.equal(model(window), plain)
    layouts, named = model.layouts(), {part: path for path, part in model.named_modules()}
    assert {named[entry.module] for kind in ("attention", "routing") for entry in record[kind]} == set(layouts)
    for entry in record["attention"]:
        weights = entry.tensors["weights"]
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
        over_time = named[entry.module].endswith("attention")
        assert weights.shape == (3, 2, *((4, 4) if over_time else (6, 6)))
        if over_time:
            assert (weights.triu(1)[:1] == 0).all()
    axis = layouts["decoder.layers.0.attention"].axes[0]
    assert (axis.first, axis.last) == ((-10, -8, -5, -2), (-9, -6, -3, 0))
    for entry in record["routing"]:
        assert entry.tensors["weights"].shape == (9, 4, 5)
    paths = drawn_paths(model.sample, window, 5)
    torch.testing.assert_close(record["spread"][0].tensors["deviation"], paths.std(0, correction=0))


def test_centroids_stay_as_exact_as_the_network():
    model = MoiraiMoE(SIZES, **TINY)
    assert model.decoder.centroids.dtype is torch.float64
    assert "centroids" in model.decoder.state_dict()
    assert not model.decoder.centroids.requires_grad


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_lengths": ()}, "patch_lengths=() must be one or several different lengths"),
        ({"patch_lengths": 3}, "patch_lengths=3 must be a list or tuple of lengths"),
        ({"patch_lengths": (3, 3)}, "patch_lengths=(3, 3) must be one or several different lengths"),
        ({"patch_lengths": (0, 2)}, "patch_lengths=0 must be an integer of at least 1"),
        ({"patch_length": 5}, "patch_length=5 must be one of patch_lengths=[2, 3]"),
        (
            {"max_patches": 6},
            "max_patches=6 must be at least 7, the patches of 3 steps in look-back and horizon",
        ),
        ({"n_paths": 0}, "n_paths=0 must be an integer of at least 1"),
        ({"n_decoder_layers": 0}, "n_decoder_layers=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"n_heads": 3}, "n_heads=3 must divide d_model=16 into heads whose width is a multiple of 4"),
        ({"n_experts_per_token": 6}, "n_experts_per_token=6 must be at most n_experts=5"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
