"""An encoder of dilated convolutions, whose features are read at several scales."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import Recomputing

KERNEL = 3


class DilatedBlock(nn.Module):
    """Two convolutions of three steps each, apart by the dilation, and a way around them.

    Parameters
    ----------
    n_in, n_out
        Channels before and after.
    dilation
        Steps between those that a convolution sees.
    causal
        Whether it sees the steps before alone, or as many before as after.
    project
        Whether the way around is a linear map; without one the channels stay as many.
    """

    def __init__(self, n_in: int, n_out: int, *, dilation: int, causal: bool, project: bool) -> None:
        super().__init__()
        self.padding = ((KERNEL - 1) * dilation, 0) if causal else (dilation, dilation)
        self.first = nn.Conv1d(n_in, n_out, KERNEL, dilation=dilation)
        self.second = nn.Conv1d(n_out, n_out, KERNEL, dilation=dilation)
        self.project = nn.Conv1d(n_in, n_out, 1) if project else nn.Identity()

    def forward(self, x: Float[Tensor, "B N L"]) -> Float[Tensor, "B M L"]:
        """Convolve twice, and add what came in."""
        around: Tensor = self.project(x)
        for convolution in (self.first, self.second):
            x = convolution(F.pad(F.gelu(x), self.padding))
        return around + x


class MeanOfScales(nn.Module):
    """The mean of causal convolutions of several lengths, made as one.

    Parameters
    ----------
    d_model
        Channels.
    kernels
        Steps that each convolution sees, the own one included.
    """

    def __init__(self, d_model: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.longest = max(kernels)
        self.scales = nn.ModuleList(nn.Conv1d(d_model, d_model, kernel) for kernel in kernels)

    def forward(self, x: Float[Tensor, "B D L"]) -> Float[Tensor, "B D L"]:
        """Convolve."""
        return F.conv1d(F.pad(x, (self.longest - 1, 0)), *self._joined())

    def last(self, x: Float[Tensor, "B D L"]) -> Float[Tensor, "B D"]:
        """Return the last step of what :meth:`forward` returns."""
        weight, bias = self._joined()
        kernel = min(self.longest, x.shape[-1])
        return torch.einsum("bdk,edk->be", x[..., -kernel:], weight[..., -kernel:]) + bias

    def _joined(self) -> tuple[Float[Tensor, "D D k"], Float[Tensor, " D"]]:
        """Return weights and bias of the one convolution that all of them are together."""
        scales = [cast(nn.Conv1d, scale) for scale in self.scales]
        weights = [F.pad(scale.weight, (self.longest - scale.kernel_size[0], 0)) for scale in scales]
        return torch.stack(weights).mean(dim=0), torch.stack([cast(Tensor, scale.bias) for scale in scales]).mean(dim=0)


class DilatedEncoder(nn.Module, Recomputing):
    r"""A series as a vector for each of its steps.

    .. math::

        z^{0} = W x, \qquad
        z^{i+1} = z^{i} + \mathrm{conv}_{2^i}\big(\mathrm{gelu}(\mathrm{conv}_{2^i}(\mathrm{gelu}(z^{i})))\big), \qquad
        r = \frac{1}{K} \sum_k \mathrm{conv}^{(k)}(z)

    The convolutions of a block are ``2^i`` steps apart; the last block has a linear map for its way around. Those of
    the scales are causal.

    Cost: O(L (n d^2 + D^2 k)) for n blocks and a longest scale of k steps.

    Parameters
    ----------
    n_features
        Features of a step.
    d_hidden, d_model
        Channels of the blocks but the last, and of the last and the output (``D``).
    n_blocks
        Blocks, at least 1. They see ``2 (2^n - 1)`` steps to either side, or twice as many before.
    kernels
        Steps that each scale sees.
    causal
        Whether no step sees those after it.
    dropout
        On the features that the scales read.

    Raises
    ------
    ValueError
        If a size is below 1, there are no kernels, or ``dropout`` is outside [0, 1).

    Notes
    -----
    Zheng et al., "Parametric Augmentation for Time Series Contrastive Learning", ICLR 2024; the encoder is that of
    Yue et al., "TS2Vec: Towards Universal Representation of Time Series", AAAI 2022, and the scales of Woo et al.,
    "CoST: Contrastive Learning of Disentangled Seasonal-Trend Representations for Time Series Forecasting", ICLR 2022.
    The authors' blocks are not causal.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.contrastive.dilated import DilatedEncoder
    >>> encoder = DilatedEncoder(3, d_hidden=8, d_model=16, n_blocks=4, kernels=(1, 2, 4), causal=True)
    >>> x = torch.randn(2, 24, 3)  # (B, L, N)
    >>> encoder(x).shape
    torch.Size([2, 24, 16])
    >>> torch.allclose(encoder.last(x), encoder(x)[:, -1], atol=1e-6)
    True
    """

    def __init__(
        self,
        n_features: int,
        *,
        d_hidden: int,
        d_model: int,
        n_blocks: int,
        kernels: Sequence[int],
        causal: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_at_least(1, d_hidden=d_hidden, d_model=d_model, n_blocks=n_blocks, n_kernels=len(kernels))
        require_probability(dropout=dropout)
        self.embedding = nn.Linear(n_features, d_hidden)
        widths = [d_hidden] * n_blocks + [d_model]
        self.blocks = nn.Sequential(
            *(
                DilatedBlock(widths[i], widths[i + 1], dilation=2**i, causal=causal, project=i == n_blocks - 1)
                for i in range(n_blocks)
            )
        )
        self.dropout = Dropout(dropout)
        self.scales = MeanOfScales(d_model, kernels)

    def forward(self, x: Float[Tensor, "B L N"]) -> Float[Tensor, "B L D"]:
        """Encode."""
        out: Tensor = self.scales(self.features(x))
        return out.mT

    def last(self, x: Float[Tensor, "B L N"]) -> Float[Tensor, "B D"]:
        """Encode the last step alone."""
        return self.scales.last(self.features(x))

    def features(self, x: Float[Tensor, "B L N"]) -> Float[Tensor, "B D L"]:
        """Return what the scales read."""
        out: Tensor = self.embedding(x).mT
        for block in self.blocks:
            out = self.run(block, out)
        return self.dropout(out)
