"""PatchTST equals two other implementations of it under the same weights."""

import pytest
import torch

from darts_tsformers.layers.transformer.patching import Patching
from darts_tsformers.window.instance_norm import InstanceNorm
from tests.reference._golden import assert_met, names, read
from tests.reference._patchtst import OURS


@pytest.mark.parametrize("name", names("patchtst-neuralforecast"))
def test_forecasts_of_neuralforecast_are_met(name):
    golden = read(name)
    assert_met(OURS["patchtst-neuralforecast"](golden), golden)


@pytest.mark.parametrize("name", names("patchtst-transformers"))
def test_forecasts_of_transformers_are_met(name):
    golden = read(name)
    assert_met(OURS["patchtst-transformers"](golden), golden)


def test_golden_files_are_there():
    assert len(names("patchtst-neuralforecast")) == 11
    assert len(names("patchtst-transformers")) == 5


@pytest.mark.parametrize(("length", "n_patches"), [(336, 42), (512, 64), (96, 12), (100, 12), (30, 3)])
def test_patch_counts_are_the_authors(length, n_patches):
    patching = Patching(length, 16, 8)
    assert patching.n_patches == n_patches
    assert patching(torch.zeros(1, 1, length)).shape == (1, 1, n_patches, 16)


def test_normalised_window_is_the_authors():
    normalised, _ = InstanceNorm(epsilon=1e-5)(torch.tensor([1.0, 2.0, 4.0, 7.0]).view(1, 4, 1))
    expected = torch.tensor([-1.091088, -0.654653, 0.218218, 1.527524])
    torch.testing.assert_close(normalised.flatten(), expected, rtol=0, atol=1e-6)
