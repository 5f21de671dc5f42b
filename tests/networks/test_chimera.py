from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.recurrent.variate_order import by_correlation
from darts_tsformers.networks import Chimera
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, scatter_
from tests.networks.variates import moved_about

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=4, n_static=2)
TINY = {"patch_length": 3, "trend_distance": 2, "d_model": 6, "n_encoder_layers": 2, "d_state": 2}
every_order = pytest.mark.parametrize("variate_order", ["given", "correlation"])


def network(sizes: Sizes = SIZES, **kwargs) -> Chimera:
    return Chimera(sizes, **TINY | kwargs)


def line(points: Tensor) -> Tensor:
    """Draw lines over five steps through three points."""
    first, middle, last = points.unbind(-1)
    return torch.stack([first, (first + middle) / 2, middle, (middle + last) / 2, last], dim=-1)


def parts(model: Chimera, window: Window) -> tuple[Tensor, Tensor]:
    """Return line and seasonal part, ``(B, H, C)``, variate by variate, patch by patch."""
    given = [window.target, window.past, window.historic_future]
    series = torch.cat(given, dim=-1)
    tokens = []
    for v in range(9):
        padded = torch.cat([series[:, :1, v], series[:, :, v]], dim=1)  # 18 steps are six patches
        cells = torch.stack([model.embedding(padded[:, i : i + 3]) for i in range(0, 18, 3)], dim=1)
        tokens.append(cells + (model.static(window.static[:, v])[:, None] if v < 3 else model.marks[v - 3]))
    targets = by_correlation(window.target) if model.variate_order == "correlation" else torch.arange(3).expand(3, -1)
    future, past = (torch.arange(start, end).expand(3, -1) for start, end in ((5, 9), (3, 5)))
    trend, seasonal = model.stack(torch.stack(tokens, dim=1), torch.cat([future, targets, past], dim=1))
    lines = [line(model.trend_head(trend[:, c].flatten(1))) for c in range(3)]
    last = (trend + seasonal)[:, :3, -1]
    responses = model.future(window.future, last)[..., 0]
    rest = [model.seasonal_head(seasonal[:, c].flatten(1)) + responses[:, c] for c in range(3)]
    return torch.stack(lines, dim=-1), torch.stack(rest, dim=-1)


@every_order
def test_equals_its_definition(variate_order):
    model = scatter_(network(ALL_COVARIATES, variate_order=variate_order)).double().eval()
    window = make_window(ALL_COVARIATES, dtype=torch.float64)
    torch.testing.assert_close(model(window)[..., 0], sum(parts(model, window)))


def test_the_trend_that_is_recorded_is_the_line_and_what_it_can_take_of_the_rest():
    model, window = scatter_(network(ALL_COVARIATES)).double().eval(), make_window(ALL_COVARIATES, dtype=torch.float64)
    with recording("trend") as record:
        forecast = model(window)
    (entry,) = record["trend"]
    (trend,) = entry.tensors.values()
    lines, _ = parts(model, window)
    hats = line(torch.eye(3, dtype=torch.float64)).mT
    nearest = hats @ torch.linalg.pinv(hats)
    taken, left = trend[..., 0] - lines, (forecast - trend)[..., 0]
    torch.testing.assert_close(nearest @ left, torch.zeros_like(left), rtol=0, atol=1e-5)
    torch.testing.assert_close(nearest @ taken, taken, rtol=0, atol=1e-5)
    assert min(taken.abs().max(), left.abs().max()) > 0.01


def test_the_given_order_matters():
    window, order = make_window(SIZES), torch.tensor([2, 0, 1])
    model = scatter_(network()).eval()
    assert not torch.isclose(model(window)[:, :, order], model(moved_about(window, order))).all(1).any()


def test_an_untrained_past_covariate_is_one_more_variate_behind_the_others():
    sizes = replace(SIZES, n_past=2)
    plain, wide = scatter_(network()).eval(), network(sizes).eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = make_window(sizes)
    assert (missing, unexpected) == (["marks"], [])
    as_targets = Window(torch.cat([window.target, window.past], dim=-1))
    torch.testing.assert_close(wide(window), plain(as_targets)[:, :, :3])


def test_untrained_static_covariates_and_an_untrained_known_future_change_nothing():
    model, window = network(ALL_COVARIATES).eval(), make_window(ALL_COVARIATES)
    other = replace(window, static=window.static + 1, future=window.future + 1)
    assert torch.equal(model(window), model(other))


def test_one_row_of_static_covariates_serves_all_components():
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    one = window.static[:, :1]
    shared, repeated = (replace(window, static=static) for static in (one, one.expand(-1, 3, -1)))
    torch.testing.assert_close(model(shared), model(repeated))


@pytest.mark.parametrize(("length", "horizon"), [(1, 1), (1, 7), (2, 3), (5, 1), (19, 2), (40, 23)])
def test_any_lengths_will_do(length, horizon):
    sizes = Sizes(length, horizon, n_targets=2)
    model = scatter_(network(sizes, patch_length=None)).eval()
    assert model.patch_length == min(16, length)
    window = make_window(sizes, batch=1)
    forecast = model(window)
    assert forecast.shape == (1, horizon, 2, 1)
    moved = model(Window(window.target + torch.eye(length)[..., None]))  # one step in each sample
    assert not torch.isclose(moved, forecast).all(1).any()


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("coupling", ["bounded", "linear", "exp"])
def test_every_parameter_learns(coupling, horizon):
    model = scatter_(network(replace(ALL_COVARIATES, output_length=horizon), coupling=coupling))
    out = model(make_window(model.sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_gradients_equal_finite_differences():
    model = scatter_(network(Sizes(7, 2, n_targets=2))).double().eval()
    x = draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_heads():
    point, wide = (scatter_(network(replace(SIZES, n_parameters=q))).eval() for q in (1, 3))
    whole = wide(make_window(SIZES))
    heads = [f"{head}.{kind}" for head in ("trend_head", "seasonal_head") for kind in ("weight", "bias")]
    weights = wide.state_dict()
    for q in range(3):
        point.load_state_dict(weights | {name: weights[name][q::3] for name in heads})
        torch.testing.assert_close(point(make_window(SIZES)), whole[..., q : q + 1])


def test_what_is_recorded_spans_variates_and_covariates():
    model = scatter_(network(ALL_COVARIATES)).eval()
    with recording("attention") as record:
        model(make_window(ALL_COVARIATES))
    assert [entry.tensors["weights"].shape for entry in record["attention"]] == [(3, 1, 9, 9)] * 4
    paths = [f"stack.layers.{i}.{part}" for i in (0, 1) for part in ("trend", "seasonal")]
    assert model.attention_layers() == paths == list(model.layouts())
    assert model.layouts()[paths[0]].axes[0].kinds == ("target", "past", "future")


def test_bfloat16_is_kept_and_accurate():
    model = scatter_(network(ALL_COVARIATES)).eval()
    window = Window(**{k: None if t is None else t.bfloat16() for k, t in vars(make_window(ALL_COVARIATES)).items()})
    expected = model(Window(**{name: None if t is None else t.float() for name, t in vars(window).items()}))
    out = model.to(torch.bfloat16)(window)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 5e-2 * expected.norm()


def test_dropout_acts_on_tokens_and_on_what_each_scan_puts_out():
    model = network(ALL_COVARIATES, dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(ALL_COVARIATES))
    assert calls == {"dropout": 1, "stack.layers.0.dropout": 2, "stack.layers.1.dropout": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_length": 18}, "patch_length=18 must be at most input_chunk_length=17"),
        ({"patch_length": 0}, "patch_length=0 must be an integer of at least 1"),
        ({"trend_distance": 0}, "trend_distance=0 must be an integer of at least 1"),
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"n_encoder_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"d_state": 0}, "d_state=0 must be an integer of at least 1"),
        ({"coupling": "none"}, "coupling='none' must be one of ['bounded', 'exp', 'linear']"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"variate_order": "random"}, "variate_order='random' must be one of ['correlation', 'given']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
