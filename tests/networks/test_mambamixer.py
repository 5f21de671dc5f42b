from dataclasses import replace

import pytest
import torch

from darts_tsformers.layers.recurrent.variate_order import by_correlation
from darts_tsformers.networks import MambaMixer
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, scatter_
from tests.networks.variates import moved_about

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=4, n_static=2)
TINY = {"patch_length": 5, "stride": 3, "d_model": 6, "n_encoder_layers": 2, "d_state": 3, "d_conv": 2, "expand": 1}
every_order = pytest.mark.parametrize("variate_order", ["given", "correlation"])


def network(sizes: Sizes = SIZES, **kwargs) -> MambaMixer:
    return MambaMixer(sizes, **TINY | kwargs)


@every_order
@pytest.mark.parametrize("pad_end", [False, True])
def test_equals_its_definition(pad_end, variate_order):
    model = scatter_(network(ALL_COVARIATES, pad_end=pad_end, variate_order=variate_order)).double().eval()
    window = make_window(ALL_COVARIATES, dtype=torch.float64)
    targets = by_correlation(window.target) if variate_order == "correlation" else torch.arange(3).expand(3, -1)
    future, past = (torch.arange(start, end).expand(3, -1) for start, end in ((5, 9), (3, 5)))
    order = torch.cat([future, targets, past], dim=1)
    known = window.future.flatten(1)[:, None].expand(-1, 9, -1)
    ahead = model.auxiliary.future(model.auxiliary.mixer(known, order))
    series = torch.cat([window.target, window.past, window.historic_future], dim=-1).mT
    static = torch.cat([window.static, torch.zeros(3, 6, 2, dtype=torch.float64)], dim=1)
    longer = torch.cat([series, ahead, model.auxiliary.static(static)], dim=-1)  # 3 x 17 steps
    if pad_end:
        longer = torch.cat([longer, longer[..., -1:].expand(-1, -1, 3)], dim=-1)
    starts = range(0, longer.shape[-1] - 5 + 1, 3)
    tokens = torch.stack([model.embedding(longer[..., s : s + 5]) for s in starts], dim=2) + model.position
    tokens[:, 3:] += model.marks
    out = model.stack(tokens, 3, order)[:, :3]
    out = torch.nn.functional.layer_norm(out, [6], model.norm.weight, model.norm.bias)
    n = len(starts)
    out = torch.nn.functional.layer_norm(out.mT, [n], model.patch_norm.weight, model.patch_norm.bias).mT
    expected = model.head(out.reshape(3, 3, -1)).mT.unsqueeze(-1)
    torch.testing.assert_close(model(window), expected)


def test_the_given_order_matters():
    window, order = make_window(SIZES), torch.tensor([2, 0, 1])
    model = scatter_(network()).eval()
    assert not torch.isclose(model(window)[:, :, order], model(moved_about(window, order))).all(1).any()


def test_one_row_of_static_covariates_serves_all_components():
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    one = window.static[:, :1]
    shared, repeated = (replace(window, static=static) for static in (one, one.expand(-1, 3, -1)))
    torch.testing.assert_close(model(shared), model(repeated))


def test_the_latest_steps_count_where_the_end_is_padded():
    sizes = Sizes(18, 5, n_targets=3)  # the last full patch ends a step before the last
    window = make_window(sizes)
    moved = window.target.clone()
    moved[:, -1] += 1
    padded, cut = (scatter_(network(sizes, pad_end=pad_end)).eval() for pad_end in (True, False))
    assert not torch.isclose(padded(window), padded(Window(moved))).all(1).any()
    assert torch.equal(cut(window), cut(Window(moved)))


def test_a_single_patch_tells_something():
    sizes = Sizes(5, 3, n_targets=2)
    model = scatter_(network(sizes, pad_end=False)).eval()
    assert model.patching.n_patches == 1
    window = make_window(sizes)
    assert not torch.isclose(model(window), model(Window(window.target.flip(1)))).all(1).any()


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("sizes", [SIZES, ALL_COVARIATES], ids=["plain", "covariates"])
def test_every_parameter_learns(sizes, residual):
    model = scatter_(network(sizes, residual=residual))
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_gradients_equal_finite_differences():
    model = scatter_(network(Sizes(7, 2, n_targets=2))).double().eval()
    x = draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_head():
    point, wide = (scatter_(network(replace(SIZES, n_parameters=q))).eval() for q in (1, 3))
    whole = wide(make_window(SIZES))
    body = {name: weight for name, weight in wide.state_dict().items() if not name.startswith("head.")}
    for q in range(3):
        point.load_state_dict(body | {"head.weight": wide.head.weight[q::3], "head.bias": wide.head.bias[q::3]})
        torch.testing.assert_close(point(make_window(SIZES)), whole[..., q : q + 1])


def test_what_is_recorded_spans_patches_of_the_look_back_and_variables():
    model = scatter_(network(ALL_COVARIATES)).eval()
    with recording("attention") as record:
        model(make_window(ALL_COVARIATES))
    assert [entry.tensors["weights"].shape for entry in record["attention"]] == [(9, 1, 6, 6), (3, 1, 9, 9)] * 2
    layouts = model.layouts()
    assert list(layouts) == [f"stack.layers.{i}.{of}_mixer" for i in (0, 1) for of in ("time", "variate")]
    (axis, _), (variables, _) = (layouts[f"stack.layers.0.{of}_mixer"].axes for of in ("time", "variate"))
    assert axis.first == (-16, -13, -10, -7, -4, -1)
    assert axis.last == (-12, -9, -6, -3, 0, 0)
    assert variables.kinds == ("target", "past", "future")


def test_bfloat16_is_kept_and_accurate():
    model = scatter_(network(ALL_COVARIATES)).eval()
    window = Window(**{k: None if t is None else t.bfloat16() for k, t in vars(make_window(ALL_COVARIATES)).items()})
    expected = model(Window(**{name: None if t is None else t.float() for name, t in vars(window).items()}))
    out = model.to(torch.bfloat16)(window)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 5e-2 * expected.norm()


def test_every_dropout_acts_once_for_each_mixer():
    model = network(ALL_COVARIATES, dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(ALL_COVARIATES))
    assert calls == {"dropout": 1, "stack.layers.0.dropout": 2, "stack.layers.1.dropout": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_length": 18}, "patch_length=18 must be at most input_chunk_length=17"),
        ({"stride": 0}, "stride=0 must be an integer of at least 1"),
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"n_encoder_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"d_state": 0}, "d_state=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"variate_order": "random"}, "variate_order='random' must be one of ['correlation', 'given']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("sizes", [SIZES, ALL_COVARIATES], ids=["plain", "covariates"])
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message, sizes):
    with pytest.raises(ValueError, match=exactly(message)):
        network(sizes, **changes)
