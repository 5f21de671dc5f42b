"""Gates that divide one share among the entries of an axis."""

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.recording import is_recording, record


class SoftmaxGate(nn.Module):
    r"""Let the entries of the last axis through in shares that sum to 1.

    .. math:: y = x \odot \mathrm{softmax}(W x + b)

    ``n`` entries become smaller by a factor of about ``n``; what follows has to make up for it, as in the paper.

    Parameters
    ----------
    n_entries
        Entries of the axis (``n``).
    kind
        What the shares are recorded as, a mean over all axes between the batch and the last one. None for nothing.

    Notes
    -----
    Ekambaram et al., "TSMixer: Lightweight MLP-Mixer Model for Multivariate Time Series Forecasting", KDD 2023,
    section 3 (gated attention).

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.gate import SoftmaxGate
    >>> gate = SoftmaxGate(4)
    >>> _ = torch.nn.init.zeros_(gate.map.weight), torch.nn.init.zeros_(gate.map.bias)
    >>> gate(torch.ones(1, 4))  # all entries alike
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]], grad_fn=<MulBackward0>)
    """

    def __init__(self, n_entries: int, kind: str | None = None) -> None:
        super().__init__()
        self.map = nn.Linear(n_entries, n_entries)
        self.kind = kind

    def forward(self, x: Float[Tensor, "B *K n"]) -> Float[Tensor, "B *K n"]:
        """Weigh the entries."""
        shares = self.map(x).softmax(dim=-1)
        if self.kind is not None and is_recording(self.kind):
            record(self.kind, self, weights=shares.reshape(shares.shape[0], -1, shares.shape[-1]).mean(dim=1))
        weighed: Tensor = x * shares
        return weighed


def build_gate(gated: bool, n_entries: int, kind: str | None = None) -> nn.Module:
    """Build a gate; where there is none, or but one entry, whose share is always 1, what lets all through."""
    return SoftmaxGate(n_entries, kind) if gated and n_entries > 1 else nn.Identity()
