"""What Primer adds to any transformer: a squared activation, and a short convolution after each projection."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least


class SquaredReLU(nn.Module):
    r""":math:`\mathrm{relu}(x)^2`, for the feed-forward part."""

    def forward(self, x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        """Apply it to each element."""
        return x.relu().square()


class DepthwiseConvolution(nn.Module):
    r"""Each channel becomes a weighted sum of its present and its last steps: :math:`y_t = \sum_i c_i x_{t-i}`.

    Before the first step there are zeros.

    Parameters
    ----------
    n_channels
        Channels ``K``, each with weights of its own.
    size
        Steps that a channel sees, its present one included.

    Notes
    -----
    So et al., "Primer: Searching for Efficient Transformers for Language Modeling", NeurIPS 2021, section 3, with a
    size of 3 and the start of the authors' code: 0.5 for the present, 0.5 / size for each step before it.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.primer import DepthwiseConvolution
    >>> DepthwiseConvolution(1, 2)(torch.tensor([[[4.0], [8.0], [0.0]]])).flatten().tolist()
    [2.0, 5.0, 2.0]
    """

    def __init__(self, n_channels: int, size: int) -> None:
        super().__init__()
        require_at_least(1, n_channels=n_channels, size=size)
        start = torch.full((size, n_channels), 0.5 / size)
        start[0] = 0.5
        self.weight = nn.Parameter(start)

    def forward(self, x: Float[Tensor, "B L c"], channels: slice = slice(None)) -> Float[Tensor, "B L c"]:
        """Convolve; ``x`` may hold some of the channels alone."""
        present, *earlier = self.weight[:, channels]
        out = present * x
        for i, weight in enumerate(earlier, 1):
            out[:, i:] += weight * x[:, :-i]
        return out
