import pytest
import torch

from darts_tsformers.attention import FullAttention, registry
from darts_tsformers.networks import Informer
from darts_tsformers.window import Sizes, Window
from tests.helpers import draw, exactly, scatter_

TINY = {"d_model": 6, "n_heads": 3, "d_ff": 11, "dropout": 0.0}


def sizes(input_length: int = 17, **changes: int) -> Sizes:
    return Sizes(input_length, 5, **({"n_targets": 3} | changes))


def memory_of(network: Informer, length: int) -> torch.Tensor:
    return network._memory(Window(draw(2, length, 3)), None)


@pytest.mark.parametrize(
    ("arguments", "length"),
    [
        ({"n_encoder_layers": 3}, 24),
        ({"n_encoder_layers": 3, "distil": False}, 96),
        ({"n_encoder_layers": 1}, 96),
        ({"replica_layers": (3, 2, 1)}, 72),
    ],
)
def test_the_length_of_the_memory(arguments, length):
    network = Informer(sizes(96), **TINY, **arguments).eval()
    assert memory_of(network, 96).shape == (2, length, 6)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_forecast_is_the_same_in_one_thread_and_in_two_and_in_double_precision(level):
    """Also after a window of zeros, where tokens are apart by their position alone."""
    network = scatter_(Informer(Sizes(96, 48, n_targets=3), d_model=32, n_heads=2, d_ff=64, dropout=0.0)).eval()
    window, threads = level * draw(16, 96, 3), torch.get_num_threads()
    with torch.no_grad():
        try:
            found = []
            for n in (1, 2):
                torch.set_num_threads(n)
                found.append(network(Window(window)))
        finally:
            torch.set_num_threads(threads)
        expected = network.double()(Window(window.double())).float()
    for forecast in found:
        torch.testing.assert_close(forecast, expected, rtol=0, atol=1e-5)


def test_a_replica_sees_the_last_steps_only():
    network = scatter_(
        Informer(sizes(16), **TINY, replica_layers=(2, 1), attention="full", padding_mode="causal")
    ).eval()
    target = draw(1, 16, 3)
    moved = target.clone()
    moved[:, :5] += 3
    before, after = (network._memory(Window(x), None) for x in (target, moved))
    assert before.shape == (1, 16, 6)
    assert torch.equal(before[:, 8:], after[:, 8:])
    assert not torch.equal(before[:, :8], after[:, :8])


def test_the_decoder_starts_from_the_label_and_placeholders():
    network = Informer(sizes(), label_length=4, **TINY).eval()
    seen = {}
    network.decoder_embedding.register_forward_pre_hook(lambda module, inputs: seen.update(inputs=inputs))
    target = draw(2, 17, 3)
    network(Window(target))
    values, steps, known, static = seen["inputs"]
    assert torch.equal(values[:, :4], target[:, -4:])
    assert (values[:, 4:] == 0).all()
    assert steps.tolist() == list(range(9))
    assert known is None
    assert static is None


def test_a_shift_moves_the_positions_of_the_horizon():
    network = Informer(sizes(output_shift=7), label_length=4, **TINY).eval()
    seen = {}
    network.decoder_embedding.register_forward_pre_hook(lambda module, inputs: seen.update(steps=inputs[1]))
    network(Window(draw(2, 17, 3)))
    assert seen["steps"].tolist() == [0, 1, 2, 3, 11, 12, 13, 14, 15]


def test_future_covariates_reach_the_decoder_for_label_and_horizon():
    network = Informer(sizes(n_future=2), label_length=4, **TINY).eval()
    seen = {}
    network.decoder_embedding.register_forward_pre_hook(lambda module, inputs: seen.update(known=inputs[2]))
    historic, future = draw(2, 17, 2, seed=1), draw(2, 5, 2, seed=2)
    network(Window(draw(2, 17, 3), historic_future=historic, future=future))
    assert torch.equal(seen["known"], torch.cat([historic[:, -4:], future], dim=1))


def test_statics_of_several_rows_and_past_covariates_are_taken():
    network = scatter_(Informer(sizes(n_past=2, n_static=2, n_static_rows=3), **TINY)).eval()
    target, past, static = draw(2, 17, 3), draw(2, 17, 2, seed=1), draw(2, 3, 2, seed=2)
    plain = network(Window(target, past=past, static=static))
    assert plain.shape == (2, 5, 3, 1)
    assert not torch.equal(plain, network(Window(target, past=past + 1, static=static)))
    assert not torch.equal(plain, network(Window(target, past=past, static=static + 1)))


def test_a_mechanism_without_a_causal_form_serves_the_encoder_alone(monkeypatch):
    class NeverCausal(FullAttention):
        supports_causal = False

    monkeypatch.setattr(registry, "_MECHANISMS", registry._MECHANISMS | {"never_causal": NeverCausal})
    network = Informer(sizes(), **TINY, attention="never_causal")
    assert type(network.encoders[0].layers[0].attention.mechanism) is NeverCausal
    assert type(network.decoder_layers[0].self_attention.mechanism) is FullAttention


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_length": 18}, "label_length=18 must be at most input_chunk_length=17"),
        ({"label_length": 0}, "label_length=0 must be an integer of at least 1"),
        ({"d_model": 9}, "d_model=9 must be even: positions take half sines, half cosines"),
        ({"n_decoder_layers": 0}, "n_decoder_layers=0 must be an integer of at least 1"),
        ({"replica_layers": (2, 0)}, "replica_layers=0 must be an integer of at least 1"),
        (
            {"replica_layers": (1,) * 6},
            "replica_layers=(1, 1, 1, 1, 1, 1) needs input_chunk_length=17 to be at least 32",
        ),
        ({"padding_mode": "zeros"}, "padding_mode='zeros' must be one of ['causal', 'circular', 'replicate']"),
        ({"distil_norm": "rms"}, "distil_norm='rms' must be one of ['batch', 'layer']"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        Informer(sizes(), **(TINY | arguments))
