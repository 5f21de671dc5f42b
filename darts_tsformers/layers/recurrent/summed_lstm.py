"""An LSTM whose two directions, where it has two, are summed."""

from jaxtyping import Float
from torch import Tensor, nn


class SummedLSTM(nn.Module):
    """Run an LSTM over a sequence, or two from either end, and add up what they put out.

    Weights start as Xavier's, biases at zero.

    Parameters
    ----------
    n_in, n_out
        Features of a step that goes in, and that comes out.
    bidirectional
        Whether a second one goes from the last step to the first.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.summed_lstm import SummedLSTM
    >>> SummedLSTM(3, 5, bidirectional=True)(torch.randn(2, 7, 3)).shape
    torch.Size([2, 7, 5])
    """

    def __init__(self, n_in: int, n_out: int, *, bidirectional: bool = False) -> None:
        super().__init__()
        self.lstm = nn.LSTM(n_in, n_out, batch_first=True, bidirectional=bidirectional)
        for parameter in self.lstm.parameters():
            nn.init.xavier_uniform_(parameter) if parameter.ndim > 1 else nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "B N I"]) -> Float[Tensor, "B N O"]:
        """Return the sum of the directions at each step."""
        out, _ = self.lstm(x)
        summed: Tensor = out.unflatten(-1, (-1, self.lstm.hidden_size)).sum(dim=-2)
        return summed
