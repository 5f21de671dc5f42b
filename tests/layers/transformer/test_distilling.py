import pytest
import torch
import torch.nn.functional as F

from darts_tsformers.layers.transformer.distilling import Distilling
from tests.helpers import draw, scatter_


@pytest.mark.parametrize(("length", "halved"), [(1, 1), (2, 1), (24, 12), (25, 13), (48, 24), (96, 48), (720, 360)])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_the_length_is_halved_and_rounded_up(length, halved, norm):
    assert Distilling(4, norm=norm)(draw(3, length, 4)).shape == (3, halved, 4)


def test_the_order_is_convolution_norm_elu_pooling():
    layer = scatter_(Distilling(3)).eval()
    x = draw(2, 11, 3)
    activated = F.elu(layer.norm(layer.convolution(x)))
    padded = F.pad(activated, (0, 0, 1, 1), value=-torch.inf)
    expected = torch.stack([padded[:, 2 * i : 2 * i + 3].amax(dim=1) for i in range(6)], dim=1)
    torch.testing.assert_close(layer(x), expected)
