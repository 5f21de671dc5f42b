from dataclasses import replace

import pytest
import torch

from darts_tsformers.attention import FullAttention
from darts_tsformers.networks import TemporalFusionTransformer
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, scatter_
from tests.layers import _tft_naive as naive

TINY = {"d_model": 6, "n_heads": 3, "dropout": 0.0}
EVERYTHING = {"n_targets": 3, "n_past": 2, "n_future": 2, "n_static": 2, "n_static_rows": 3, "n_parameters": 2}


def sizes(**changes: int) -> Sizes:
    return Sizes(11, 5, **({"n_targets": 3} | changes))


def build(sizes_: Sizes, **changes) -> TemporalFusionTransformer:
    return scatter_(TemporalFusionTransformer(sizes_, **(TINY | changes))).double().eval()


def window(sizes_: Sizes, **kwargs) -> Window:
    return make_window(sizes_, dtype=torch.float64, **kwargs)


def definition(network: TemporalFusionTransformer, given: Window):
    """The whole network from naive parts: every row of every layer."""
    choice = enrichment = state = None
    if given.static is not None:
        static = given.static.flatten(1)[:, None]
        contexts = network.statics
        mixture, _ = naive.variable_selection(contexts.selection, static, contexts.embedding.lines())
        choice, enrichment, h, c = (naive.grn(use, mixture)[:, 0] for use in contexts.uses)
        state = tuple(torch.stack([t] * network.encoder.num_layers) for t in (h, c))
    known, future = given.historic_future, given.future
    if known is None:
        length, shift, horizon = 11, network.sizes.output_shift, 5
        steps = torch.tensor([*range(length), *range(length + shift, length + shift + horizon)], dtype=torch.float64)
        share = (steps / (length + shift + horizon))[None, :, None].expand(len(given.target), -1, -1)
        known, future = share[:, :length], share[:, length:]
    past = torch.cat([x for x in (given.target, given.past, known) if x is not None], dim=-1)
    lines = network.embedding.lines()
    past, _ = naive.variable_selection(network.past_selection, past, lines, choice)
    future_lines = type(lines)(*(t[-future.shape[-1] :] for t in lines))
    future, _ = naive.variable_selection(network.future_selection, future, future_lines, choice)
    encoded, state = network.encoder(past, state)
    decoded, _ = network.decoder(future, state)
    local = naive.gate_add_norm(network.local_gate, torch.cat([encoded, decoded], 1), torch.cat([past, future], 1))
    enriched = naive.grn(network.enrichment, local, enrichment)
    attended, _ = naive.interpretable_attention(network.attention, enriched)
    x = naive.gate_add_norm(network.attention_gate, attended, enriched)
    x = naive.gate_add_norm(network.output_gate, naive.grn(network.feed_forward, x), local)
    return network.head(x[:, -5:]).unflatten(-1, (-1, network.sizes.n_parameters))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_targets": 1},
        {"n_past": 2},
        {"n_future": 2},
        {"n_static": 2, "n_static_rows": 3},
        {"n_static": 1},
        EVERYTHING,
        {"output_shift": 7},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "arguments",
    [{}, {"d_variable": 2, "full_attention": True}, {"n_lstm_layers": 2, "n_heads": 1}],
    ids=str,
)
def test_it_equals_its_definition(changes, arguments):
    network = build(sizes(**changes), **arguments)
    given = window(network.sizes)
    if given.static is not None and network.sizes.n_static_rows == 1:
        given = replace(given, static=given.static[:, :1])
    ours, theirs = network(given), definition(network, given)
    torch.testing.assert_close(ours, theirs)
    parameters = list(network.parameters())
    gradients = [torch.autograd.grad(out.square().sum(), parameters) for out in (ours, theirs)]
    for (name, _), our_gradient, their_gradient in zip(network.named_parameters(), *gradients, strict=True):
        torch.testing.assert_close(our_gradient, their_gradient, msg=name)


@pytest.mark.parametrize("changes", [{}, {"n_targets": 1}, EVERYTHING], ids=str)
def test_every_parameter_learns(changes):
    network = build(sizes(**changes))
    network(window(network.sizes)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_without_statics_there_is_no_context():
    names = [name for name, _ in build(sizes()).named_parameters()]
    assert not [name for name in names if "context" in name or "statics" in name]


@pytest.mark.parametrize("full_attention", [False, True])
def test_when_a_step_responds_to_what_is_known_of_later_ones(full_attention):
    network = build(sizes(n_future=2), full_attention=full_attention)
    given = window(network.sizes)
    future = given.future.clone()
    future[:, 3] += 1
    changed = (network(replace(given, future=future)) - network(given)).abs().amax((0, 2, 3)) > 0
    assert changed.tolist() == ([True] * 5 if full_attention else [False] * 3 + [True] * 2)


def test_a_known_variable_has_one_embedding_for_past_and_future():
    network = build(sizes(n_past=2, n_future=2))
    assert network.embedding.slope.shape == (3 + 2 + 2, 6)
    given = window(network.sizes)
    with torch.no_grad():
        before = network.future_selection(given.future, network.embedding.lines(5))[0]
        network.embedding.slope[:5] += 1
        assert torch.equal(network.future_selection(given.future, network.embedding.lines(5))[0], before)
        network.embedding.slope[5:] += 1
        assert not torch.equal(network.future_selection(given.future, network.embedding.lines(5))[0], before)


def test_what_a_recording_holds():
    network = build(sizes(**EVERYTHING))
    given = window(network.sizes)
    with recording("attention", "variables") as found:
        recorded = network(given)
    assert torch.equal(recorded, network(given))
    assert [entry.tensors["weights"].shape for entry in found["attention"]] == [(3, 3, 5, 16)]
    modules = [network.statics, network.past_selection, network.future_selection]
    shapes = [(3, 6), (3, 11, 7), (3, 5, 2)]
    for entry, module, shape in zip(found["variables"], modules, shapes, strict=True):
        assert entry.module is module
        weights = entry.tensors["weights"]
        assert weights.shape == shape
        assert not weights.requires_grad
        torch.testing.assert_close(weights.sum(-1), torch.ones(shape[:-1]).double())


def test_the_layout_says_what_the_weights_are_of():
    layouts = build(sizes(**EVERYTHING, output_shift=2)).layouts()
    assert layouts["attention"].axes[0].first == (3, 4, 5, 6, 7)
    assert layouts["attention"].axes[1].first == (*range(-10, 1), 3, 4, 5, 6, 7)
    assert layouts["past_selection"].axes[1].kinds == ("target", "past", "future")
    assert build(sizes()).layouts()["past_selection"].axes[1].kinds == ("target", "past", "position")
    assert build(sizes()).layouts()["future_selection"].axes[1].kinds == ("position",)


def test_without_future_covariates_the_position_is_what_is_known():
    network = build(sizes())
    with recording("variables") as found:
        network(window(network.sizes))
    past, future = (entry.tensors["weights"] for entry in found["variables"])
    assert past.shape[-1] == 4
    assert (future == 1).all()


@pytest.mark.parametrize(("shift", "expected"), [(0, [11, 12, 13, 14, 15]), (7, [18, 19, 20, 21, 22])])
def test_a_shift_moves_the_positions_of_the_horizon(shift, expected):
    network = build(sizes(output_shift=shift))
    past, future = network._variables(window(network.sizes))
    total = 16 + shift
    torch.testing.assert_close(past[0, :, -1] * total, torch.arange(11.0).double())
    torch.testing.assert_close(future[0, :, 0] * total, torch.tensor(expected).double())


def test_dropout_acts_in_every_gate():
    network = TemporalFusionTransformer(sizes(**EVERYTHING), d_model=6, n_heads=3, dropout=0.3)
    calls = count_dropouts(network)
    with torch.no_grad():
        network(make_window(network.sizes))
    assert set(calls.values()) == {1}
    assert len(calls) == 2 + 4 + 2 + 2 + 2 + 3  # statics, contexts, both selections, around LSTM and attention


def test_mechanism_and_mask_are_those_asked_for():
    assert type(build(sizes()).attention.mechanism) is FullAttention
    assert build(sizes()).attention.causal
    assert not build(sizes(), full_attention=True).attention.causal


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_heads": 4}, "n_heads=4 must divide d_model=6"),
        ({"n_lstm_layers": 0}, "n_lstm_layers=0 must be an integer of at least 1"),
        ({"d_variable": 0}, "d_variable=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"full_attention": 1}, "full_attention=1 must be True or False"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        TemporalFusionTransformer(sizes(), **(TINY | arguments))


def test_window_of_one_step():
    network = build(Sizes(1, 1))
    assert network(Window(draw(1, 1, 1, dtype=torch.float64))).shape == (1, 1, 1, 1)
