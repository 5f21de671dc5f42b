from dataclasses import replace

import pytest
import torch

from darts_tsformers.networks import PatchTST
from darts_tsformers.window import Sizes, Window
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, make_window, rows, scatter_

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=3, n_static=2)
KINDS = {
    "past": {"n_past": 2},
    "future": {"n_future": 3},
    "static": {"n_static": 2},
    "all": {"n_past": 2, "n_future": 3, "n_static": 2},
}
TINY = {"patch_length": 5, "stride": 3, "d_model": 6, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 7}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def network(sizes=SIZES, **kwargs):
    return PatchTST(sizes, **TINY | kwargs)


def test_an_untrained_network_with_covariates_is_the_one_without():
    plain, wide = scatter_(network()).eval(), network(ALL_COVARIATES).eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = make_window(ALL_COVARIATES)
    assert not unexpected
    assert {name.split(".")[1] for name in missing} == {"covariates", "static", "future"}
    torch.testing.assert_close(wide(window), plain(Window(window.target)))


def test_equals_its_definition():
    model = scatter_(network(ALL_COVARIATES)).double().eval()
    window = make_window(ALL_COVARIATES, dtype=torch.float64)
    backbone, expected = model.backbone, []
    known = torch.cat([window.past, window.historic_future], dim=-1)
    for c in range(3):
        padded, known_padded = (torch.cat([x] + [x[:, -1:]] * 3, dim=1) for x in (window.target[..., c : c + 1], known))
        tokens = []
        for n in range(6):
            patch = slice(3 * n, 3 * n + 5)
            beside = torch.cat([known_padded[:, patch, p] for p in range(5)], dim=-1)
            token = backbone.embedding(padded[:, patch, 0]) + backbone.position[n]
            tokens.append(token + backbone.covariates(beside) + backbone.static(window.static[:, c]))
        encoded = backbone.encoder(torch.stack(tokens, dim=1))
        out = encoded.flatten(1) @ backbone.head.weight[0].T + backbone.head.bias[0]
        answer = backbone.future(window.future, encoded.mean(dim=1, keepdim=True))
        expected.append(out + answer[:, 0, :, 0])
    expected = torch.stack(expected, dim=-1).unsqueeze(-1)
    assert_same_with_gradients(model(window), expected, list(model.parameters()))


@kinds
def test_every_parameter_of_a_covariate_learns(kind):
    sizes = replace(SIZES, **kind)
    model = scatter_(network(sizes))
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@kinds
def test_an_untrained_network_can_begin_to_learn_from_a_covariate(kind):
    sizes = replace(SIZES, **kind)
    model = network(sizes)
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    ways_in = {"covariates.weight", "static.weight", "future.response.weight"}
    found = {n: p for n, p in model.named_parameters() if n.removeprefix("backbone.") in ways_in}
    assert found
    assert all(p.grad.abs().sum() > 0 for p in found.values())


@pytest.mark.parametrize("name", ["past", "historic_future", "future", "static"])
def test_a_trained_network_listens_to_every_covariate(name):
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    moved = replace(window, **{name: getattr(window, name) + 1})
    assert not torch.allclose(model(window), model(moved))


def test_static_covariates_act_on_their_own_component():
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    static = window.static.clone()
    static[:, 1] += 1
    before, after = model(window), model(replace(window, static=static))
    assert torch.equal(before[:, :, [0, 2]], after[:, :, [0, 2]])
    assert not torch.allclose(before[:, :, 1], after[:, :, 1])


def test_one_row_of_static_covariates_serves_all_components():
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    one = window.static[:, :1]
    shared, repeated = (replace(window, static=static) for static in (one, one.expand(-1, 3, -1)))
    torch.testing.assert_close(model(shared), model(repeated))


def test_a_future_covariate_acts_on_its_own_step():
    sizes = replace(SIZES, n_future=3)
    model, window = scatter_(network(sizes)).eval(), make_window(sizes)
    future = window.future.clone()
    future[:, 2] += 1
    before, after = model(window), model(replace(window, future=future))
    assert torch.equal(before[:, [0, 1, 3, 4]], after[:, [0, 1, 3, 4]])
    assert not torch.allclose(before[:, 2], after[:, 2])


@pytest.mark.parametrize("individual_head", [False, True], ids=["shared head", "individual heads"])
def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_head(individual_head):
    point, wide = (
        scatter_(network(replace(SIZES, n_parameters=q), individual_head=individual_head)).eval() for q in (1, 3)
    )
    whole = wide(make_window(SIZES))
    body = {name: weight for name, weight in wide.state_dict().items() if ".head." not in name}
    for q in range(3):
        head = {
            "backbone.head.weight": wide.backbone.head.weight.unflatten(1, (5, 3))[:, :, q],
            "backbone.head.bias": wide.backbone.head.bias.unflatten(1, (5, 3))[:, :, q],
        }
        point.load_state_dict(body | head)
        torch.testing.assert_close(point(make_window(SIZES)), whole[..., q : q + 1])


def test_individual_heads_equal_a_loop_over_channels():
    model = scatter_(network(individual_head=True)).double().eval()
    window = make_window(SIZES, dtype=torch.float64)
    backbone, expected = model.backbone, []
    for c in range(3):
        padded = torch.cat([window.target[..., c]] + [window.target[:, -1:, c]] * 3, dim=1)
        patches = torch.stack([padded[:, start : start + 5] for start in range(0, 16, 3)], dim=1)
        tokens = backbone.encoder(backbone.embedding(patches) + backbone.position)
        flat = torch.cat(tokens.unbind(1), dim=-1)
        expected.append(flat @ backbone.head.weight[c].T + backbone.head.bias[c])
    expected = torch.stack(expected, dim=-1).unsqueeze(-1)
    assert_same_with_gradients(model(window), expected, list(model.parameters()))


def test_individual_heads_that_agree_are_a_shared_head():
    shared, individual = scatter_(network()).eval(), network(individual_head=True).eval()
    state = shared.state_dict()
    for name in ("backbone.head.weight", "backbone.head.bias"):
        state[name] = state[name].expand(3, *state[name].shape[1:])
    individual.load_state_dict(state)
    torch.testing.assert_close(individual(make_window(SIZES)), shared(make_window(SIZES)))


@pytest.mark.parametrize("kernel", [3, 4])
def test_a_decomposition_adds_the_forecasts_of_its_parts(kernel):
    model = scatter_(network(decomposition_kernel=kernel)).double().eval()
    window = make_window(SIZES, dtype=torch.float64)
    front, back = window.target[:, :1], window.target[:, -1:]
    ahead = kernel // 2
    padded = torch.cat([front] * ahead + [window.target] + [back] * (kernel - 1 - ahead), dim=1)
    trend = torch.stack([padded[:, t : t + kernel].mean(1) for t in range(17)], dim=1)
    expected = 0
    for part, backbone in ((window.target - trend, model.backbone), (trend, model.trend_backbone)):
        single = network().double().eval()
        single.backbone = backbone
        expected = expected + single(Window(part))
    torch.testing.assert_close(model(window), expected)


def test_the_backbones_of_a_decomposition_share_nothing():
    model = network(decomposition_kernel=3)
    pointers = [p.data_ptr() for p in model.parameters()]
    assert len(set(pointers)) == len(pointers)


def test_channels_do_not_see_each_other():
    model, window = scatter_(network()).eval(), make_window(SIZES)
    moved = window.target.clone()
    moved[..., 1] += 1
    before, after = model(window), model(Window(moved))
    assert torch.equal(before[:, :, [0, 2]], after[:, :, [0, 2]])
    assert not torch.allclose(before[:, :, 1], after[:, :, 1])


def test_a_network_built_for_three_components_serves_five():
    model, wide = scatter_(network(ALL_COVARIATES)).eval(), replace(ALL_COVARIATES, n_targets=5)
    window = make_window(wide)
    out = model(window)
    assert model.width_tie is None
    assert out.shape == (3, 5, 5, 1)
    first = replace(window, target=window.target[..., :3], static=window.static[:, :3])
    torch.testing.assert_close(out[:, :, :3], model(first))


def test_individual_heads_tie_a_network_to_its_components():
    assert network(individual_head=True).width_tie == "individual_head"


@pytest.mark.parametrize("pad_end", [False, True])
def test_steps_before_the_last_patch_are_seen_and_the_last_one_only_with_padding(pad_end):
    sizes = Sizes(18, 5)
    model, window = scatter_(network(sizes, pad_end=pad_end)).eval(), make_window(sizes)
    for step in range(18):
        moved = window.target.clone()
        moved[:, step] += 1
        assert torch.allclose(model(window), model(Window(moved))) == (step == 17 and not pad_end)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_training_on_a_single_token_works(norm):
    sizes = Sizes(5, 3)
    model = network(sizes, pad_end=False, norm=norm).train()
    assert model.backbone.patching.n_patches == 1
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(make_window(sizes, 1)).square().sum().backward()
    optimiser.step()
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("changes", [{}, {"residual_attention": False}, {"decomposition_kernel": 3}], ids=str)
def test_gradients_equal_finite_differences(changes):
    sizes = Sizes(7, 2, n_targets=2)
    model = scatter_(network(sizes, patch_length=3, **changes)).double().eval()
    x = draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_bfloat16_is_kept_and_accurate():
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    expected = model(window)
    narrow = Window(**{name: None if t is None else t.to(torch.bfloat16) for name, t in vars(window).items()})
    out = model.to(torch.bfloat16)(narrow)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 3e-2 * expected.norm()


def test_the_same_seed_builds_the_same_network():
    first, second = (torch.random.manual_seed(3) and network(ALL_COVARIATES).state_dict() for _ in range(2))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_positions_start_small_and_heads_within_the_bound_of_a_linear_map():
    backbone = network().backbone
    assert 0 < backbone.position.abs().max() <= 0.02
    assert backbone.head.weight.shape == (1, 5, 36)
    assert backbone.head.weight.abs().max() <= 36**-0.5


def test_every_dropout_acts_once():
    model = network(ALL_COVARIATES, dropout=0.5, head_dropout=0.25, decomposition_kernel=3)
    calls = count_dropouts(model)
    model(make_window(ALL_COVARIATES))
    assert calls == dict.fromkeys(calls, 1)
    rates = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert sorted(rates) == [0.25] * 2 + [0.5] * (2 * (1 + 2 * 3))


def test_evaluation_is_deterministic_and_dropout_acts_in_training():
    model, window = network(dropout=0.5, head_dropout=0.5), make_window(SIZES)
    assert not torch.equal(model(window), model(window))
    model.eval()
    assert torch.equal(model(window), model(window))


def test_a_batch_of_one_is_enough_in_evaluation():
    model, window = scatter_(network()).eval(), make_window(SIZES)
    torch.testing.assert_close(model(window)[:1], model(rows(window, slice(0, 1))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_length": 19}, "patch_length=19 must be at most input_chunk_length=17"),
        ({"stride": 0}, "stride=0 must be an integer of at least 1"),
        ({"n_heads": 4}, "n_heads=4 must divide d_model=6"),
        ({"n_encoder_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"head_dropout": -0.1}, "head_dropout=-0.1 must be in [0, 1)"),
        ({"decomposition_kernel": 0}, "decomposition_kernel=0 must be an integer of at least 1"),
        ({"norm": "rms"}, "norm='rms' must be one of ['batch', 'layer']"),
        ({"activation": "tanh"}, "activation='tanh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
