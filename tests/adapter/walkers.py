"""A network that draws paths."""

import torch
from torch import nn

from darts_tsformers.models import TSFormerModel
from darts_tsformers.networks import Network, Noise, median_path
from darts_tsformers.window import Sizes, Window


class Walker(Network, name="walker"):
    """Random walks about a linear map of the look-back.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    n_paths
        Paths whose median is the forecast.
    """

    width_tie = None
    draws_paths = True

    def __init__(self, sizes: Sizes, *, n_paths: int = 11) -> None:
        super().__init__(sizes)
        self.n_paths = n_paths
        self.course = nn.Linear(sizes.input_length, sizes.output_length)
        self.spread = nn.Parameter(torch.ones(()))

    def forward(self, window: Window) -> torch.Tensor:
        return median_path(self.sample, window, self.n_paths)

    def sample(self, window: Window, noise: Noise) -> torch.Tensor:
        steps = noise(self.sizes.output_length, window.target.shape[-1]) + 0.3 * noise(1, 1)
        return self.course(window.target.mT).mT + self.spread * steps.cumsum(dim=1)


class WalkerModel(TSFormerModel):
    """A walker."""

    network_class = Walker

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        n_paths: int = 11,
        use_instance_norm: bool = True,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        **kwargs,
    ) -> None:
        super().__init__()
