"""A layer of structured state spaces over a sequence, one from each end."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.recurrence.s4 import s4_kernel, s4_legs, s4_read, two_way, two_way_response

STEP_RANGE = (1e-3, 1e-1)


class BidirectionalS4(nn.Module):
    r"""Let each feature of each token answer to its past and to its future, and mix the features.

    .. math:: y = W\, \mathrm{gelu}\left(k \ast x + \overleftarrow{k}\, \overline{\ast}\, x + d \odot x\right) + b

    The responses ``k`` are those of state spaces, see :func:`~darts_tsformers.recurrence.s4_kernel`, one for each
    feature and both ends, alike in all but what is read of the state. They start as a memory in Legendre polynomials
    (HiPPO-LegS) whose steps are spread over 1e-3 to 1e-1. O(B D L log L) time, and O(D N L) once for a batch.

    Parameters
    ----------
    d_model
        Features of a token.
    d_state
        Numbers of the state of each feature, an even number.
    length
        Tokens of a sequence.
    dropout
        Before the features are mixed.

    Raises
    ------
    ValueError
        If a size is below its least, or ``d_state`` is odd.

    Notes
    -----
    Gu, Goel and Ré, "Efficiently Modeling Long Sequences with Structured State Spaces", ICLR 2022. The layer keeps
    :math:`c (I - \bar A^L)` in the place of ``c``, so that no power of a matrix is taken while it learns; it serves one
    length. Responses are computed in float32 at least.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.s4 import BidirectionalS4
    >>> layer, x = BidirectionalS4(d_model=5, d_state=4, length=13), torch.randn(2, 13, 5)
    >>> torch.allclose(layer(x), layer(x, layer.response()))
    True
    """

    def __init__(self, d_model: int, d_state: int, length: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, length=length)
        require_at_least(2, d_state=d_state)
        if d_state % 2:
            raise ValueError(f"d_state={d_state} must be even: its numbers are pairs")
        self.length = length
        poles, low_rank, write = (x.expand(d_model, -1) for x in s4_legs(d_state // 2))
        low, high = (math.log(end) for end in STEP_RANGE)
        log_step = low + (high - low) * torch.rand(d_model)
        read = torch.randn(2, d_model, d_state // 2, 2) * 0.5**0.5
        if not read.is_meta:  # or it is a trial of the sizes
            whole = torch.view_as_complex(read.double())
            read = torch.view_as_real(s4_read(poles, low_rank, whole, log_step.double().exp(), length))
        self.log_step = nn.Parameter(log_step)
        self.log_decay = _parameter((-poles.real).log())
        self.frequency = _parameter(poles.imag)
        self.low_rank = _parameter(torch.view_as_real(low_rank.resolve_conj()))
        self.write = _parameter(torch.view_as_real(write.resolve_conj()))
        self.read = _parameter(read)
        self.skip = nn.Parameter(torch.randn(d_model))
        self.dropout = Dropout(dropout)
        self.project_out = nn.Linear(d_model, d_model)

    def kernels(self) -> Float[Tensor, "2 D L"]:
        """Return the responses to what came before and to what follows."""
        wide = torch.promote_types(self.log_step.dtype, torch.float32)
        poles = torch.complex(-self.log_decay.to(wide).exp(), self.frequency.to(wide))
        low_rank, write, read = (torch.view_as_complex(x.to(wide)) for x in (self.low_rank, self.write, self.read))
        with without_autocast(self.log_step):
            return s4_kernel(poles, low_rank, write, read, self.log_step.to(wide).exp(), self.length)

    def response(self) -> Complex[Tensor, "D F"]:
        """Return what all sequences are answered with, until the parameters change."""
        onward, back = self.kernels()
        now = F.pad(self.skip.to(onward.dtype)[:, None], (0, self.length - 1))
        return two_way_response(onward + now, back)

    def forward(
        self, x: Float[Tensor, "B L D"], response: Complex[Tensor, "D F"] | None = None
    ) -> Float[Tensor, "B L D"]:
        """Return the outputs; ``response`` is the layer's own, where it is known already."""
        response = self.response() if response is None else response
        mixed: Tensor = self.project_out(self.dropout(F.gelu(two_way(x.mT, response).mT.contiguous())))
        return mixed


def _parameter(x: Tensor) -> nn.Parameter:
    """Return a parameter on the device and of the type that parameters are made with."""
    return nn.Parameter(torch.empty(x.shape).copy_(x))
