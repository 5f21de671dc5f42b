"""What a selective scan pays attention to: the map from inputs to outputs that it stands for."""

import torch
from jaxtyping import Float
from torch import Tensor


def hidden_attention(
    delta: Float[Tensor, "B L D"],
    A: Float[Tensor, "D n"],
    B: Float[Tensor, "B L n"],
    C: Float[Tensor, "B L n"],
) -> Float[Tensor, "B D L L"]:
    r"""Return how much each step's output takes of each step's input, for each feature.

    .. math:: M_{ij} = C_i \prod_{k=j+1}^{i} \exp(\Delta_k A)\, \Delta_j B_j \quad (j \le i)

    A scan that starts from zeros gives :math:`y = M x + D x`. Its mean over the features, of the map itself or of its
    size, is one map of a layer.

    Cost: O(B D L^2) memory: for explanations, not for training.

    Parameters
    ----------
    delta, A, B, C
        As in :func:`~darts_tsformers.recurrence.selective_scan`. Rates are negative.

    Returns
    -------
    Tensor
        Rows are outputs, columns inputs; zero above the diagonal.

    Notes
    -----
    Ali, Zimerman and Wolf, "The Hidden Attention of Mamba Models", 2024.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import hidden_attention
    >>> one = torch.ones(1, 3, 1)
    >>> half = torch.tensor(0.5).log().view(1, 1)  # each step forgets one half
    >>> hidden_attention(one, half, one, one)[0, 0]
    tensor([[1.0000, 0.0000, 0.0000],
            [0.5000, 1.0000, 0.0000],
            [0.2500, 0.5000, 1.0000]])
    """
    passed = delta.mT.cumsum(-1)
    between = (passed[..., :, None] - passed[..., None, :]).tril()
    weights = torch.zeros_like(between)
    for rates, b, c in zip(A.unbind(-1), B.unbind(-1), C.unbind(-1), strict=True):
        weights += torch.exp(between * rates[:, None, None]) * (c[:, :, None] * b[:, None, :])[:, None]
    return (weights * delta.mT[:, :, None]).tril()
