"""The next patch, or step, forecast from each one of the window."""

from darts_tsformers.networks import Network, Training
from darts_tsformers.pretraining.objective import Objective
from darts_tsformers.window import Window


class Following(Objective, name="next"):
    """Forecast what follows each patch, or step, of the window.

    It is what causal networks that read one patch, or step, after the other learn in ``fit`` too. Here each window is
    measured by its own spread, so that of many series none counts for more as its values are larger. The head is
    trained, and taken over by the model that forecasts.

    Parameters
    ----------
    network
        To pre-train.

    Notes
    -----
    Liu et al., "Generative Pretrained Hierarchical Transformer for Time Series Forecasting", KDD 2024, who then train
    the heads alone (``transfer="probe"``).

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks import GPHT
    >>> from darts_tsformers.pretraining import Following
    >>> from darts_tsformers.window import Sizes, Window
    >>> network = GPHT(Sizes(24, 6), patch_length=6, pool_sizes=(2, 1), d_model=8)
    >>> window = Window(torch.randn(2, 24, 1), future_target=torch.randn(2, 6, 1))
    >>> [lesson.steps.tolist()[::6] for lesson in Following(network)(network, window).lessons]
    [[6, 12, 18, 24]]
    """

    needs_future_target = True
    teaches_head = True

    def __init__(self, network: Network) -> None:  # noqa: ARG002 - as every objective takes it
        super().__init__()

    @classmethod
    def suits(cls, network: type[Network]) -> bool:
        """Whether networks of a class learn so."""
        return bool(network.head_patterns)

    def forward(self, network: Network, window: Window) -> Training:
        """Say what to learn from a window."""
        return network.learn(window)
