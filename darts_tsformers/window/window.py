"""One forecasting window as named tensors, and the sizes a network is built for."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from darts_tsformers.checks import require_at_least


@dataclass(frozen=True)
class Sizes:
    """The sizes of a forecasting problem.

    Attributes
    ----------
    input_length, output_length
        Steps looked back on (``L``) and forecast (``H``).
    output_shift
        Steps between the last one seen and the first one forecast.
    n_targets, n_past, n_future, n_static
        Components of target, past, future and static covariates (``C``, ``P``, ``F``, ``S``).
    n_static_rows
        Rows of static covariates: one for each component, or one for all.
    n_parameters
        Likelihood parameters per forecast value (``Q``); 1 for a point forecast.
    n_levels
        How many of them, the first ones, are a level of the target: all if they are quantiles, none of a logarithm.

    Examples
    --------
    >>> from darts_tsformers.window import Sizes
    >>> Sizes(input_length=24, output_length=6).label_length(None)
    12
    """

    input_length: int
    output_length: int
    output_shift: int = 0
    n_targets: int = 1
    n_past: int = 0
    n_future: int = 0
    n_static: int = 0
    n_static_rows: int = 1
    n_parameters: int = 1
    n_levels: int = 1

    def label_length(self, asked: int | None) -> int:
        """Return the steps of the look-back that a decoder starts from: as many as asked for, or half of them.

        Raises
        ------
        ValueError
            If ``asked`` is below 1 or beyond the look-back.
        """
        if asked is None:
            return max(self.input_length // 2, 1)
        require_at_least(1, label_length=asked)
        if asked > self.input_length:
            raise ValueError(f"label_length={asked} must be at most input_chunk_length={self.input_length}")
        return asked


@dataclass(frozen=True)
class Window:
    """What a network sees. A kind of covariate that is not in use is None.

    Attributes
    ----------
    target
        Past of the target.
    past
        Past covariates over the same steps.
    historic_future, future
        Future covariates over the past steps, and over the steps to forecast.
    static
        Static covariates, one row per component or one for all.
    future_target
        What followed; there while training alone, for a network that says that it needs it.
    start
        Row at which the history of each sample begins: nothing of its target was observed before. None if all begin at
        row 0; always None for networks that neither stream nor ask for it.
    missing
        Which values of the target were not observed, so that others stand in for them. None if that is none.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Window
    >>> window = Window(target=torch.zeros(3, 24, 2), past=torch.zeros(3, 24, 1))
    >>> window.past.shape, window.future is None
    (torch.Size([3, 24, 1]), True)
    """

    target: Float[Tensor, "B L C"]
    past: Float[Tensor, "B L P"] | None = None
    historic_future: Float[Tensor, "B L F"] | None = None
    future: Float[Tensor, "B H F"] | None = None
    static: Float[Tensor, "B V S"] | None = None
    future_target: Float[Tensor, "B H C"] | None = None
    start: Int[Tensor, " B"] | None = None
    missing: Bool[Tensor, "B L C"] | None = None
