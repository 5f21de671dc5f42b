import pytest
import torch

from darts_tsformers.attention import FullAttention, registry
from darts_tsformers.layers.transformer.interpretable_attention import InterpretableAttention
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_, watch_sizes
from tests.layers import _tft_naive as naive

SIZES = [(2, 11, 3, 6), (1, 7, 1, 5), (3, 1, 2, 4), (5, 13, 5, 5)]
sizes = pytest.mark.parametrize(("b", "r", "h", "d"), SIZES, ids=["B{}-R{}-h{}-D{}".format(*s) for s in SIZES])


def layer(d, h, **kwargs):
    return scatter_(InterpretableAttention(d, h, **kwargs)).double()


@sizes
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n_last", [1, 3, 13])
def test_it_equals_the_mean_of_materialised_maps(b, r, h, d, causal, n_last):
    n_last = min(n_last, r)
    attend, x = layer(d, h, causal=causal), draw(b, r, d, dtype=torch.float64).requires_grad_()
    expected, maps = naive.interpretable_attention(attend, x)
    assert_same_with_gradients(attend(x, n_last), expected[:, -n_last:], [x, *attend.parameters()])
    with recording("attention") as record:
        attend(x, n_last)
    torch.testing.assert_close(record["attention"][0].tensors["weights"], maps[:, :, -n_last:])


def test_a_causal_row_sees_itself_and_nothing_later():
    attend, x = layer(6, 2), draw(2, 11, 6, dtype=torch.float64)
    for row in range(6, 11):
        moved = x.clone()
        moved[:, row] += 1
        changed = (attend(moved, 5) - attend(x, 5)).abs().amax((0, 2)) > 0
        assert changed.tolist() == [later >= row for later in range(6, 11)]


def test_a_row_that_is_not_causal_sees_all():
    attend, x = layer(6, 2, causal=False), draw(2, 11, 6, dtype=torch.float64)
    moved = x.clone()
    moved[:, -1] += 1
    assert ((attend(moved, 5) - attend(x, 5)).abs().amax((0, 2)) > 0).all()


def test_nothing_quadratic_is_built():
    attend, length = InterpretableAttention(6, 2), 1031
    with watch_sizes() as seen:
        attend(draw(1, length, 6), 24)
        attend(draw(1, length, 6), 24).sum().backward()
    assert 0 < max(seen) <= max(14 * length, 2 * 24 * length)


def test_recording_does_not_change_the_output():
    attend, x = layer(6, 2), draw(2, 11, 6, dtype=torch.float64)
    with recording("attention"):
        recorded = attend(x, 5)
    assert torch.equal(recorded, attend(x, 5))


class NeverCausal(FullAttention):
    supports_causal = False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((6, 4), "n_heads=4 must divide d_model=6"),
        ((6, 0), "n_heads=0 must be an integer of at least 1"),
    ],
)
def test_bad_sizes(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        InterpretableAttention(*arguments)


def test_a_mechanism_without_a_causal_form_is_for_full_attention(monkeypatch):
    monkeypatch.setattr(registry, "_MECHANISMS", registry._MECHANISMS | {"never": NeverCausal})
    with pytest.raises(
        ValueError, match=exactly("attention='never' has no causal form and cannot serve a causal layer")
    ):
        InterpretableAttention(6, 2, attention="never")
    InterpretableAttention(6, 2, attention="never", causal=False)
