from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.mixing.graph_learning import learn_graph
from darts_tsformers.networks import ReGENN, TrainingSeries
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, rows, scatter_
from tests.layers.mixing import _naive_graph as naive

SIZES = Sizes(13, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=7, n_static=2)
COUNTS = {
    "n_encoder_layers": 0,
    "evolution_activation": "relu",
    "bidirectional_gate": True,
    "bidirectional_decoder": True,
    "highway": False,
}
both = pytest.mark.parametrize("sizes", [SIZES, ALL_COVARIATES], ids=["plain", "covariates"])
every_form = pytest.mark.parametrize("form", [{}, {"n_encoder_layers": 2}, COUNTS], ids=["paper", "deep", "counts"])


def network(sizes: Sizes = SIZES, **kwargs) -> ReGENN:
    """Build a network with a graph that is no longer the first one."""
    model = scatter_(ReGENN(sizes, **{"d_ff": 11} | kwargs))
    model.graph += draw(*model.graph.shape, seed=5)
    return model


def by_hand(model: ReGENN, window: Window) -> Tensor:
    """Forecast variable by variable and step by step."""
    given = (window.target, window.past, window.historic_future)
    mixed = naive.evolution(model.source, torch.cat([x for x in given if x is not None], dim=-1), model.graph)
    tokens = [model.time_map(model.evolution_activation(x)) for x in mixed.unbind(-1)]
    if window.static is not None:
        tokens[:3] = [tokens[c] + model.static(window.static[:, c]) for c in range(3)]
    encoded = model.encoder(torch.stack(tokens, dim=1))
    future, past = (list(range(start, min(end, len(tokens)))) for start, end in ((5, 12), (3, 5)))
    order = [*future, 0, 1, 2, *past] if model.gate.lstm.bidirectional else [*past, *future, 0, 1, 2]
    opened = model.gate(encoded[:, order])
    steps = torch.stack([opened[:, order.index(c)] for c in range(3)], dim=-1)
    graph = torch.stack([model.graph[i] @ model.source.weight[:, :3] + model.source.bias[i] for i in range(3)])
    out = naive.evolution(model.target, steps + model.decoder(steps), graph).unsqueeze(-1)
    for c in range(3):
        if model.highway is not None:
            out[:, :, c, 0] += model.highway(window.target[..., c])
        if window.future is not None:
            out[:, :, c : c + 1] += model.future(window.future, encoded[:, c : c + 1]).transpose(1, 2)
    return out


@both
@every_form
def test_equals_its_definition(sizes, form):
    model, window = network(sizes, **form).double().eval(), make_window(sizes, dtype=torch.float64)
    torch.testing.assert_close(model(window), by_hand(model, window))


@every_form
def test_a_sample_does_not_depend_on_its_batch_mates(form):
    model, window = network(ALL_COVARIATES, **form).eval(), make_window(ALL_COVARIATES)
    torch.testing.assert_close(model(rows(window, slice(1, 2))), model(window)[1:2])


def test_it_is_tied_to_its_components_whose_order_matters():
    model, window, order = network().eval(), make_window(SIZES), torch.tensor([2, 0, 1])
    assert model.width_tie == "architecture"
    assert not torch.isclose(model(window)[:, :, order], model(Window(window.target[..., order]))).all(1).any()


def series(length: int, seed: int) -> TrainingSeries:
    target, past, future = (draw(length, n, seed=seed + i) for i, n in enumerate((3, 2, 7)))
    future[length // 2 :, 1] = torch.nan
    return TrainingSeries(target=target, past=past, future=future)


@pytest.mark.parametrize("graph", ["correlation", "co_occurrence"])
def test_the_graph_is_learnt_of_all_variables(graph):
    model, given = network(ALL_COVARIATES, graph=graph), [series(11, 0), series(17, 3)]
    model.prepare(iter(given))
    joined = [torch.cat([one.target, one.past, one.future], dim=-1) for one in given]
    torch.testing.assert_close(model.graph, learn_graph(graph, joined).float())
    assert model.graph.dtype == torch.float32


def test_a_graph_of_the_target_alone():
    model = network()
    model.prepare([TrainingSeries(target=draw(17, 3))])
    torch.testing.assert_close(model.graph, learn_graph("correlation", [draw(17, 3)]).float())


def test_the_graph_matters():
    model, window = network().eval(), make_window(SIZES)
    before = model(window)
    model.prepare([TrainingSeries(target=draw(17, 3))])
    assert not torch.isclose(model(window), before).any()


def test_a_covariate_comes_in_through_the_graph():
    model, window = network(replace(SIZES, n_past=1), n_encoder_layers=0).eval(), make_window(replace(SIZES, n_past=1))
    assert not torch.isclose(model(window), model(replace(window, past=window.past + 1))).all(1).any()


def test_untrained_static_covariates_and_known_future_change_nothing():
    plain, window = network(replace(SIZES, n_future=7)).eval(), make_window(ALL_COVARIATES)
    window = replace(window, past=None)
    wide = ReGENN(replace(SIZES, n_future=7, n_static=2), d_ff=11).eval()
    start = {name: weight for name, weight in plain.state_dict().items() if not name.startswith("future.")}
    missing, unexpected = wide.load_state_dict(start, strict=False)
    assert ({name.split(".")[0] for name in missing}, unexpected) == ({"static", "future"}, [])
    other = replace(window, static=window.static + 1, future=window.future + 1)
    torch.testing.assert_close(wide(window), wide(other))


def test_one_row_of_static_covariates_serves_all_components():
    model, window = network(ALL_COVARIATES).eval(), make_window(ALL_COVARIATES)
    one = window.static[:, :1]
    shared, repeated = (replace(window, static=static) for static in (one, one.expand(-1, 3, -1)))
    torch.testing.assert_close(model(shared), model(repeated))


@both
@every_form
def test_every_parameter_learns(sizes, form):
    model = network(sizes, **form)
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_gradients_equal_finite_differences():
    model = network(Sizes(7, 2, n_targets=2)).double().eval()
    x = draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


@both
def test_parameters_of_a_likelihood_have_a_graph_and_a_highway_of_their_own(sizes):
    model, window = network(replace(sizes, n_parameters=2)).eval(), make_window(sizes)
    whole = model(window)
    assert whole.shape == (3, 5, 3, 2)
    model.highway.bias.data[1::2] += 1
    torch.testing.assert_close(model(window) - whole, torch.tensor([0.0, 1.0]).expand_as(whole), rtol=1e-5, atol=1e-5)
    model.highway.bias.data[1::2] -= 1
    model.target.shift.data[0::2] += 1
    assert not torch.isclose(model(window), whole)[..., 0].all()
    torch.testing.assert_close(model(window)[..., 1], whole[..., 1])


def test_one_parameter_of_a_likelihood_is_a_network_of_its_own():
    point, wide = (network(replace(SIZES, n_parameters=q)).eval() for q in (1, 3))
    whole, state = wide(make_window(SIZES)), wide.state_dict()
    for q in range(3):
        own = [name for name in state if name.startswith("highway.") or name in ("target.scale", "target.shift")]
        point.load_state_dict(state | {name: state[name][q::3] for name in own})
        torch.testing.assert_close(point(make_window(SIZES)), whole[..., q : q + 1])


def test_what_is_recorded_is_the_evolved_graph_and_attention_between_variables():
    model = network(ALL_COVARIATES).eval()
    with recording("attention") as record:
        model(make_window(ALL_COVARIATES))
    graph, attention = (entry.tensors["weights"] for entry in record["attention"])
    assert attention.shape == (3, 1, 12, 12)
    sizes = model.evolved_graph().abs()
    torch.testing.assert_close(graph, (sizes / sizes.sum(1, keepdim=True)).expand(3, 1, 12, 12))
    assert list(model.layouts()) == ["source", "encoder.layers.0.attention"]
    assert {axis.kinds for layout in model.layouts().values() for axis in layout.axes} == {("target", "past", "future")}


@pytest.mark.parametrize("length", [1, 2])
@every_form
def test_short_windows(length, form):
    sizes = Sizes(length, 1, n_targets=1)
    out = network(sizes, **form).eval()(make_window(sizes, batch=1))
    assert out.shape == (1, 1, 1, 1)
    assert out.isfinite().all()


def test_bfloat16_is_kept_and_accurate():
    model = network(ALL_COVARIATES).eval()
    window = Window(**{k: None if t is None else t.bfloat16() for k, t in vars(make_window(ALL_COVARIATES)).items()})
    expected = model(Window(**{name: None if t is None else t.float() for name, t in vars(window).items()}))
    out = model.to(torch.bfloat16)(window)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 5e-2 * expected.norm()


def test_every_dropout_acts_once():
    model = network(ALL_COVARIATES, dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(ALL_COVARIATES))
    assert len(calls) == 4
    assert set(calls.values()) == {1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph": "distance"}, "graph='distance' must be one of ['co_occurrence', 'correlation']"),
        ({"n_encoder_layers": -1}, "n_encoder_layers=-1 must be an integer of at least 0"),
        ({"d_ff": 0}, "d_ff=0 must be an integer of at least 1"),
        ({"d_ff": 0, "n_encoder_layers": 0}, "d_ff=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"highway": 1}, "highway=1 must be True or False"),
        ({"bidirectional_gate": None}, "bidirectional_gate=None must be True or False"),
        ({"bidirectional_decoder": 2}, "bidirectional_decoder=2 must be True or False"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        ReGENN(SIZES, **changes)


@pytest.mark.parametrize("argument", ["activation", "evolution_activation"])
def test_an_unknown_activation_is_refused_by_name(argument):
    message = f"{argument}='softplus' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"
    with pytest.raises(ValueError, match=exactly(message)):
        ReGENN(SIZES, **{argument: "softplus"})
