"""A network that learns a seasonal profile before it is trained."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import nn

from darts_tsformers.models import TSFormerModel
from darts_tsformers.networks import Network, TrainingSeries
from darts_tsformers.window import Sizes, Window

SEASON = 7


class Seasonal(Network, name="seasonal"):
    """A linear map of what is left of the look-back without the season. The first future covariate tells the phase.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    """

    in_data_units = True
    shown: ClassVar[list[list[TrainingSeries]]] = []

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.register_buffer("profile", torch.zeros(SEASON, sizes.n_targets))
        self.rest = nn.Linear(sizes.input_length, sizes.output_length)

    def prepare(self, series: Iterable[TrainingSeries]) -> None:
        self.shown.append(list(series))
        total, count = torch.zeros_like(self.profile), torch.zeros_like(self.profile)
        for one in series:
            seen = ~one.target.isnan()
            phase = one.future[:, 0].long() % SEASON
            total.index_add_(0, phase, one.target.nan_to_num(0.0).to(total))
            count.index_add_(0, phase, seen.to(count))
        self.profile.copy_(total / count.clamp_min(1))

    def forward(self, window: Window) -> torch.Tensor:
        past, future = (
            self.profile[known[..., 0].long() % SEASON] for known in (window.historic_future, window.future)
        )
        return (self.rest((window.target - past).mT).mT + future).unsqueeze(-1)


class SeasonalModel(TSFormerModel):
    """A seasonal model."""

    network_class = Seasonal

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        use_instance_norm: bool = False,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        **kwargs,
    ) -> None:
        super().__init__()
