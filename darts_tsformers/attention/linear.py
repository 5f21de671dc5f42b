"""Linear attention: a softmax replaced by a product of features, so that the past is one matrix."""

from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention._features import FeatureAttention, FeatureMaps


class LinearAttention(FeatureAttention):
    r"""The Linear Transformer's attention: weights in proportion to the product of two positive features.

    .. math::

        o_i = \frac{\phi(q_i)^\top \sum_j \phi(k_j) v_j^\top}{\phi(q_i)^\top \sum_j \phi(k_j) + \epsilon},
        \qquad \phi(x) = \mathrm{elu}(x) + 1

    The sums over keys serve all queries; when causal they run along, as the state of a recurrent network does.

    Cost: O((L + M) e^2) time, O((L + M) e) memory. The weights are flat beside those of a softmax: no query can single
    one key out.

    Notes
    -----
    Katharopoulos et al., "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention", ICML 2020,
    equations 5 to 12; :math:`\epsilon = 10^{-6}` is that of the authors' code. Scores are not divided by the root of
    the width, as published.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import LinearAttention
    >>> q, k, v = torch.randn(3, 2, 4, 512, 16)  # each (B, h, L, e)
    >>> LinearAttention()(q, k, v, causal=True)[0].shape
    torch.Size([2, 4, 512, 16])
    """

    width_power: ClassVar[float] = 0.0
    epsilon = 1e-6

    def feature_maps(self, q: Float[Tensor, "*h L e"], *, causal: bool) -> FeatureMaps:  # noqa: ARG002
        """Map each number to itself plus one if it is positive, to its exponential if not."""
        return FeatureMaps(_above_zero, _above_zero, q.shape[-1])


def _above_zero(x: Float[Tensor, "*h L e"]) -> Float[Tensor, "*h L e"]:
    return F.elu(x) + 1
