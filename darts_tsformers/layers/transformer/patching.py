"""A series cut into overlapping patches."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.recording.layout import TimeAxis, patches


class Patching(nn.Module):
    """Cut the last axis into patches of ``patch_length`` steps, one every ``stride`` steps.

    With ``pad_end`` the last value is repeated ``stride`` times first, which gives one patch more:
    ``(L - patch_length) // stride + 2``. Without, steps after the last full patch are left out.

    Parameters
    ----------
    input_length
        Steps to cut.
    patch_length, stride
        Steps of a patch, and between the starts of two.
    pad_end
        Whether to fill up the end.

    Raises
    ------
    ValueError
        If ``patch_length`` is below 1 or above ``input_length``, or ``stride`` is below 1.

    Notes
    -----
    Nie et al., "A Time Series is Worth 64 Words", ICLR 2023, section 3.1.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.patching import Patching
    >>> Patching(7, patch_length=4, stride=2)(torch.arange(7.0).view(1, 1, 7))[0, 0]
    tensor([[0., 1., 2., 3.],
            [2., 3., 4., 5.],
            [4., 5., 6., 6.]])
    """

    def __init__(self, input_length: int, patch_length: int, stride: int, *, pad_end: bool = True) -> None:
        super().__init__()
        require_at_least(1, patch_length=patch_length, stride=stride)
        if patch_length > input_length:
            raise ValueError(f"patch_length={patch_length} must be at most input_chunk_length={input_length}")
        self.input_length = input_length
        self.patch_length = patch_length
        self.stride = stride
        self.padding = stride if pad_end else 0
        self.n_patches = (input_length + self.padding - patch_length) // stride + 1

    def axis(self) -> TimeAxis:
        """Return the span of each patch."""
        return patches(self.input_length, self.n_patches, self.patch_length, self.stride)

    def steps(self) -> Int[Tensor, "N p"]:
        """Return which step each value of each patch is of; what fills up the end is the last one, repeated."""
        starts = self.stride * torch.arange(self.n_patches)
        return (starts[:, None] + torch.arange(self.patch_length)).clamp_max(self.input_length - 1)

    def forward(self, x: Float[Tensor, "B C L"]) -> Float[Tensor, "B C N p"]:
        """Return the patches, oldest first."""
        if self.padding:
            x = F.pad(x, (0, self.padding), mode="replicate")
        return x.unfold(-1, self.patch_length, self.stride)
