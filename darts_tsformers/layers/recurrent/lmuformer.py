"""LMUFormer: a Legendre memory in place of attention, between token-wise maps, on convolved tokens."""

from typing import cast

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.convolution import CausalConvolution
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.norm import build_norm
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recurrence import LegendreMemory, legendre_window

N_CONVOLUTIONS = 4


class ConvolutionalEmbedding(nn.Module):
    """Tokens from values: ``x = norm(relu(conv(x)))`` four times, then ``x + conv(x)``; each ``conv`` spans 3 steps.

    Parameters
    ----------
    n_in
        Values of a step.
    d_model
        Width ``D`` of a token.
    norm
        ``"batch"`` or ``"layer"``.

    Raises
    ------
    ValueError
        If a size is below 1 or ``norm`` is not known.

    Notes
    -----
    Liu et al., "LMUFormer", ICLR 2024; the last convolution is their relative position. Deviation: convolutions look
    back only, where the authors' are centred, so that a token sees five steps ahead.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.lmuformer import ConvolutionalEmbedding
    >>> ConvolutionalEmbedding(n_in=3, d_model=8)(torch.randn(2, 12, 3)).shape
    torch.Size([2, 12, 8])
    """

    def __init__(self, n_in: int, d_model: int, *, norm: str = "batch") -> None:
        super().__init__()
        require_at_least(1, n_in=n_in, d_model=d_model)
        widths = [n_in] + [d_model] * N_CONVOLUTIONS
        self.convolutions = nn.ModuleList(CausalConvolution(width, d_model, bias=False) for width in widths)
        self.norms = nn.ModuleList(build_norm(norm, d_model) for _ in range(N_CONVOLUTIONS))

    def forward(self, x: Float[Tensor, "B L N"], mask: Bool[Tensor, "B L"] | None = None) -> Float[Tensor, "B L D"]:
        """Embed; a step that ``mask`` says is not there counts as zero for those after it."""
        for i, convolution in enumerate(self.convolutions):
            x = self._completed(i, x, convolution(x, mask))
        return x

    def begin(
        self, x: Float[Tensor, "B L N"], mask: Bool[Tensor, "B L"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], list[Tensor]]:
        """Embed, and keep what :meth:`advance` needs to go on: two steps for each convolution."""
        state = []
        for i, convolution in enumerate(self.convolutions):
            convolved, kept = cast(CausalConvolution, convolution).begin(x, mask)
            x = self._completed(i, x, convolved)
            state.append(kept)
        return x, state

    def advance(self, x: Float[Tensor, "B 1 N"], state: list[Tensor]) -> tuple[Float[Tensor, "B 1 D"], list[Tensor]]:
        """Embed one more step."""
        after = []
        for i, (convolution, kept) in enumerate(zip(self.convolutions, state, strict=True)):
            convolved, kept = cast(CausalConvolution, convolution).advance(x, kept)
            x = self._completed(i, x, convolved)
            after.append(kept)
        return x, after

    def _completed(
        self, i: int, x: Float[Tensor, "B L N"], convolved: Float[Tensor, "B L D"]
    ) -> Float[Tensor, "B L D"]:
        if i == N_CONVOLUTIONS:
            return x + convolved
        tokens: Tensor = self.norms[i](F.relu(convolved))
        return tokens


class LMUFormerBlock(nn.Module):
    r"""Mix steps by a Legendre memory, then features by a feed-forward part that can only add.

    .. math::

        x \leftarrow x + \mathrm{norm}(W h(x)), \qquad
        x \leftarrow x + \mathrm{relu}(\mathrm{norm}(W_2\, \mathrm{gelu}(\mathrm{norm}(W_1 x))))

    with ``h`` of :class:`~darts_tsformers.recurrence.LegendreMemory`. Cost: that of the memory, beside the maps.

    Parameters
    ----------
    d_model
        Width ``D``.
    d_ff
        Inner width of the feed-forward part.
    order, theta, d_memory
        See :class:`~darts_tsformers.recurrence.LegendreMemory`.
    norm
        ``"batch"``, as in the paper, or ``"layer"``.
    dropout
        On what each of the two parts adds.

    Raises
    ------
    ValueError
        If a size is below 1, ``norm`` is not known or the memory refuses its arguments.

    Notes
    -----
    Liu et al., "LMUFormer: Low Complexity Yet Powerful Spiking Model With Legendre Memory Units", ICLR 2024, without
    spikes, as in the authors' code: ``order`` is ``d_model`` there, and there is one memory. Dropout is ours.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.lmuformer import LMUFormerBlock
    >>> block = LMUFormerBlock(d_model=8, d_ff=16, order=6, theta=12).eval()
    >>> x = torch.randn(3, 12, 8)  # (B, L, D)
    >>> _, memory = block.begin(x[:, :11])
    >>> y, memory = block.advance(x[:, 11:], memory)
    >>> torch.allclose(y, block(x)[:, 11:], atol=1e-5), memory.shape
    (True, torch.Size([3, 6]))
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        order: int,
        theta: float | int,
        *,
        d_memory: int = 1,
        norm: str = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, d_ff=d_ff)
        self.memory = LegendreMemory(d_model, d_model, order, theta, d_memory=d_memory)
        self.project = nn.Linear(d_model, d_model)
        self.project_norm = build_norm(norm, d_model)
        self.widen = nn.Linear(d_model, d_ff)
        self.widen_norm = build_norm(norm, d_ff)
        self.narrow = nn.Linear(d_ff, d_model)
        self.narrow_norm = build_norm(norm, d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None = None) -> Float[Tensor, "B L D"]:
        """Encode the tokens; those that ``mask`` says are not there leave nothing in the memory."""
        if is_recording("memory"):
            self._record(x, mask)
        return self._completed(x, self.memory(x, mask))

    def begin(
        self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B m"]]:
        """Encode the tokens, and keep what :meth:`advance` needs to go on."""
        h, memory = self.memory.begin(x, mask)
        return self._completed(x, h), memory

    def advance(
        self, x: Float[Tensor, "B 1 D"], memory: Float[Tensor, "B m"]
    ) -> tuple[Float[Tensor, "B 1 D"], Float[Tensor, "B m"]]:
        """Encode one more token."""
        h, memory = self.memory.advance(x[:, 0], memory)
        return self._completed(x, h[:, None]), memory

    def _record(self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None) -> None:
        """Put down what was written to the memory, and what it still holds."""
        memory = self.memory
        last = memory.remember(x, mask)[:, -1].view(len(x), -1, memory.order)
        written, held = memory.write(x), legendre_window(last, memory.theta).mT
        record("memory", self, written=written[:, -held.shape[1] :], held=held[:, -written.shape[1] :])

    def _completed(self, x: Float[Tensor, "B L D"], h: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        x = x + self.dropout(self.project_norm(self.project(h)))
        wide = F.gelu(self.widen_norm(self.widen(x)))
        return x + self.dropout(F.relu(self.narrow_norm(self.narrow(wide))))
