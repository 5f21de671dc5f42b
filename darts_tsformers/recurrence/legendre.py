"""Legendre memory: a sliding window of the past, held as a few coefficients of polynomials."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.recurrence.legendre_forms import legendre_matrices, legendre_memory


class LegendreMemory(nn.Module):
    r"""A recurrent cell that remembers a window by its Legendre coefficients: that of LMUFormer.

    .. math::

        u_t = \mathrm{relu}(w_u^\top x_t + b_u), \qquad
        m_t = \bar A m_{t-1} + \bar B u_t, \qquad
        h_t = \mathrm{relu}(W_h [m_t ; x_t] + b_h)

    The matrices of the memory are fixed, see :func:`~darts_tsformers.recurrence.legendre_matrices`: its ``q`` numbers
    hold the last ``theta`` values of ``u``. As it is linear, all memories are one causal convolution, see
    :func:`~darts_tsformers.recurrence.legendre_memory`. With ``d_memory`` above 1 there are as many series
    ``u``, each with a memory of its own; ``m`` is all of them, one after the other.

    Cost: O(r q L log L) time and O(r q L) memory for each sample, with ``r = d_memory``; O(r q^2) for a step.

    Parameters
    ----------
    d_in, d_hidden
        Features of inputs and outputs.
    order
        Numbers ``q`` in the memory. Those above ``theta`` add nothing: there are no more values to hold.
    theta
        Length of the window in steps, at least 1. It need not be whole.
    d_memory
        Series that are remembered.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the memory cannot be computed to 10 digits: see
        :func:`~darts_tsformers.recurrence.legendre_matrices`.

    Notes
    -----
    Voelker, Kajić and Eliasmith, "Legendre Memory Units: Continuous-Time Representation in Recurrent Neural Networks",
    NeurIPS 2019, in the reduced form of Liu, Datta, Li and Beerel, "LMUFormer: Low Complexity Yet Powerful Spiking
    Model With Legendre Memory Units", ICLR 2024. Deviations: windows and sequences may have any length, where the
    authors' code has 128 for both, and there may be several memories, where theirs has one; the matrices are in double
    precision whatever the module's, and not in the state dict. A transform spreads its rounding over all steps: outputs
    depend on later inputs by about 1e-7 of the largest (1e-16 in double precision), and a NaN anywhere makes all
    outputs NaN; :meth:`advance` has neither. In half precision the memory is float32.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import LegendreMemory
    >>> cell = LegendreMemory(d_in=3, d_hidden=5, order=4, theta=24)
    >>> x = torch.randn(2, 30, 3)  # (B, L, d_in)
    >>> begun, memory = cell.begin(x[:, :29])
    >>> last, memory = cell.advance(x[:, 29], memory)
    >>> torch.allclose(last, cell(x)[:, 29], atol=1e-5), memory.shape
    (True, torch.Size([2, 4]))
    """

    def __init__(self, d_in: int, d_hidden: int, order: int, theta: float | int, *, d_memory: int = 1) -> None:
        super().__init__()
        require_at_least(1, d_in=d_in, d_hidden=d_hidden, d_memory=d_memory)
        legendre_matrices(order, theta)  # or refused at once
        self.order, self.theta = order, theta
        self.project_in = nn.Linear(d_in, d_memory)
        self.project_out = nn.Linear(d_memory * order + d_in, d_hidden)

    def forward(self, x: Float[Tensor, "B L i"], mask: Bool[Tensor, "B L"] | None = None) -> Float[Tensor, "B L o"]:
        """Return the outputs to all inputs; those that ``mask`` says are not there leave nothing in the memory."""
        return self._read(self.remember(x, mask), x)

    def remember(self, x: Float[Tensor, "B L i"], mask: Bool[Tensor, "B L"] | None = None) -> Float[Tensor, "B L m"]:
        """Return the memory after each input."""
        u = self.write(x)
        if mask is not None:
            u = u.masked_fill(~mask[..., None], 0)
        return legendre_memory(u.mT, self.order, self.theta).movedim(1, 2).flatten(2)

    def write(self, x: Float[Tensor, "*B i"]) -> Float[Tensor, "*B r"]:
        """Return what each input adds to the memories: the series that are remembered."""
        return F.relu(self.project_in(x))

    def begin(
        self, x: Float[Tensor, "B L i"], mask: Bool[Tensor, "B L"] | None = None
    ) -> tuple[Float[Tensor, "B L o"], Float[Tensor, "B m"]]:
        """Return the outputs to all inputs, and the memory after them."""
        memory = self.remember(x, mask)
        return self._read(memory, x), memory[:, -1]

    def advance(
        self, x: Float[Tensor, "B i"], memory: Float[Tensor, "B m"]
    ) -> tuple[Float[Tensor, "B o"], Float[Tensor, "B m"]]:
        """Return the output to one more input, and the memory after it."""
        a, b = (matrix.to(memory) for matrix in legendre_matrices(self.order, self.theta))
        u = self.write(x).to(memory)
        with without_autocast(memory):
            memory = (memory.view(*u.shape, self.order) @ a.mT + u[..., None] * b).flatten(1)
        return self._read(memory, x), memory

    def _read(self, memory: Float[Tensor, "*B m"], x: Float[Tensor, "*B i"]) -> Float[Tensor, "*B o"]:
        return F.relu(self.project_out(torch.cat([memory.to(x.dtype), x], dim=-1)))
