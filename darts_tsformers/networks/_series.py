"""One series that a network is trained on, as a whole."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class TrainingSeries:
    """A series of the training part, in data units; NaN where nothing was observed or is known.

    Attributes
    ----------
    target
        All its steps (``T``).
    past, future
        Covariates over the same steps; None if that kind is not in use.
    static
        One row for each component, or one for all; categories are their codes.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks import TrainingSeries
    >>> series = TrainingSeries(target=torch.tensor([[1.0], [torch.nan], [5.0]]))
    >>> series.target.nanmean(dim=0)
    tensor([3.])
    """

    target: Float[Tensor, "T C"]
    past: Float[Tensor, "T P"] | None = None
    future: Float[Tensor, "T F"] | None = None
    static: Float[Tensor, "V S"] | None = None
