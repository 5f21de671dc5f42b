import pytest
import torch

from darts_tsformers.layers.transformer.patching import Patching
from tests.helpers import draw, exactly

CASES = [(37, 7, 3), (37, 7, 7), (11, 11, 5), (13, 5, 1), (29, 3, 11), (7, 1, 1), (23, 5, 19)]
ids = [f"L{length}-p{p}-s{s}" for length, p, s in CASES]


@pytest.mark.parametrize(("length", "p", "s"), CASES, ids=ids)
@pytest.mark.parametrize("pad_end", [True, False])
def test_patches_are_slices(length, p, s, pad_end):
    patching = Patching(length, p, s, pad_end=pad_end)
    x = draw(2, 3, length)
    padded = torch.cat([x] + [x[..., -1:]] * s, dim=-1) if pad_end else x
    expected = [padded[..., start : start + p] for start in range(0, padded.shape[-1] - p + 1, s)]
    patches = patching(x)
    assert torch.equal(patches, torch.stack(expected, dim=-2))
    assert patches.shape == (2, 3, patching.n_patches, p)


@pytest.mark.parametrize(("length", "p", "s"), CASES, ids=ids)
def test_padding_gives_one_patch_more(length, p, s):
    padded, plain = Patching(length, p, s), Patching(length, p, s, pad_end=False)
    assert padded.n_patches == plain.n_patches + 1 == (length - p) // s + 2


@pytest.mark.parametrize(("length", "p", "s"), CASES, ids=ids)
def test_padding_lets_the_last_step_in(length, p, s):
    patches = Patching(length, p, s)(torch.arange(float(length)).view(1, 1, length))
    if s <= p:
        assert length - 1 in patches


def test_patches_longer_than_the_window_are_refused():
    with pytest.raises(ValueError, match=exactly("patch_length=13 must be at most input_chunk_length=11")):
        Patching(11, 13, 3)


@pytest.mark.parametrize(("p", "s", "name"), [(0, 3, "patch_length=0"), (5, 0, "stride=0"), (5, -2, "stride=-2")])
def test_sizes_below_one_are_refused(p, s, name):
    with pytest.raises(ValueError, match=exactly(f"{name} must be an integer of at least 1")):
        Patching(11, p, s)
