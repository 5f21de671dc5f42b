import pytest
import torch
from einops import rearrange

from darts_tsformers.networks import LMUFormer
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, scatter_

SIZES = Sizes(17, 5, n_targets=3, n_past=2, n_future=3, n_static=2, n_static_rows=3)
TINY = {"patch_length": 4, "d_model": 6, "n_encoder_layers": 2, "d_ff": 7, "d_memory": 2}


def network(sizes=SIZES, **changes):
    return scatter_(LMUFormer(sizes, **TINY | changes))


def test_equals_its_definition():
    model, window = network().double().eval(), make_window(SIZES, dtype=torch.float64)
    body, expected = model.body, []
    known = torch.cat([window.past, window.historic_future], dim=-1)
    known = torch.cat([known.new_zeros(3, 3, 5), known], dim=1)
    of_rows = body.known(rearrange(known, "B (N p) K -> B N (p K)", p=4))
    for c in range(3):
        series = torch.cat([window.target.new_zeros(3, 3), window.target[..., c]], dim=1)
        x = body.embedding(series.view(3, 5, 4)) + of_rows + body.static(window.static[:, c])[:, None]
        for block in body.layers:
            x = block(x)
        last = body.final_norm(x[:, -1:])
        expected.append(body.head(last)[:, 0] + body.future(window.future, last)[:, 0, :, 0])
    torch.testing.assert_close(model(window), torch.stack(expected, dim=-1)[..., None])


@pytest.mark.parametrize(
    ("changes", "theta", "order"),
    [
        ({}, 5, 5),
        ({"patch_length": 1}, 17, 6),
        ({"memory_length": 10}, 2.5, 2),
        ({"memory_length": 40}, 10, 6),
        ({"memory_order": 9}, 5, 9),
    ],
    ids=str,
)
def test_a_memory_is_as_long_as_asked_for(changes, theta, order):
    memory = network(**changes).body.layers[1].memory
    assert (memory.theta, memory.order) == (theta, order)


def test_what_is_older_than_the_memory_is_gone():
    """Beyond it and the convolutions, nothing carries over."""
    sizes = Sizes(199, 5)
    model = network(sizes, patch_length=1, memory_length=4, memory_order=8, n_encoder_layers=1).double().eval()
    window = make_window(sizes, dtype=torch.float64)
    moved = window.target.clone()
    moved[:, :150] += 3
    torch.testing.assert_close(model(Window(moved)), model(window), rtol=0, atol=1e-8)
    moved[:, 190:] += 3
    assert not torch.allclose(model(Window(moved)), model(window))


@pytest.mark.parametrize("channel_independent", [True, False])
@pytest.mark.parametrize(("memory_length", "held"), [(None, 5), (10, 2), (40, 5)])
def test_the_memories_recorded_span_the_last_patches(channel_independent, memory_length, held):
    model = network(channel_independent=channel_independent, memory_length=memory_length).eval()
    with recording("memory") as record:
        model(make_window(SIZES))
    shapes = [entry.tensors[name].shape for entry in record["memory"] for name in ("written", "held")]
    assert shapes == [(9 if channel_independent else 3, held, 2)] * 4
    for layout in model.layouts().values():
        assert layout.per_component == channel_independent
        assert layout.axes[0].last == (-16, -12, -8, -4, 0)[-held:]
    assert list(model.layouts()) == ["body.layers.0", "body.layers.1"]


def test_gradients_equal_finite_differences():
    sizes = Sizes(7, 2, n_targets=2)
    model, x = network(sizes).double().eval(), draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_dropouts_act_on_tokens_and_on_what_each_part_adds():
    model = network(dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(SIZES))
    assert calls == {"body.dropout": 1, "body.layers.0.dropout": 2, "body.layers.1.dropout": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_length": 3}, "memory_length=3 must be an integer of at least 4"),
        ({"memory_length": 9.5}, "memory_length=9.5 must be an integer of at least 4"),
        ({"memory_order": 0}, "memory_order=0 must be an integer of at least 1"),
        ({"d_memory": 0}, "d_memory=0 must be an integer of at least 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
