import math

import pytest
import torch

from darts_tsformers.layers.transformer.position import SinusoidalPosition
from tests.helpers import exactly


def test_the_features_are_those_of_the_formula():
    layer = SinusoidalPosition(6)
    features = layer(torch.tensor([0.0, 3.0, 70000.0]))
    for row, t in enumerate([0, 3, 70000]):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            assert features[row, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-2 if t > 99 else 1e-6)
            assert features[row, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-2 if t > 99 else 1e-6)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match=exactly("d_model=7 must be even: positions take half sines, half cosines")):
        SinusoidalPosition(7)


def test_it_holds_nothing_that_is_saved():
    assert SinusoidalPosition(4).state_dict() == {}
