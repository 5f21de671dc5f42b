"""How a module samples: from its likelihood, step by step from that, or paths that its network draws."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.utils.data.torch_datasets.utils import PLModuleInput, PLModuleOutput, TorchInferenceBatch
from einops import rearrange

from darts_tsformers.adapter.training.finite import UNKNOWN, require_finite, weights_blamed
from darts_tsformers.networks._forecaster import Forecaster
from darts_tsformers.networks._paths import Noise
from darts_tsformers.recording.passes import Announcing


class SamplingModule(Announcing, PLForecastingModule):
    """The prediction steps of a module."""

    forecaster: Forecaster
    _noise: Noise | None = None
    """Of the paths that are being drawn."""

    @abstractmethod
    def sample(self, x_in: PLModuleInput, noise: Noise | None) -> torch.Tensor:
        """Draw one path for each window, ``(B, H, C)``."""

    @property
    def supports_probabilistic_prediction(self) -> bool:
        """Whether it can sample."""
        return self.forecaster.network.draws_paths or super().supports_probabilistic_prediction

    def predict_step(
        self, batch: TorchInferenceBatch, batch_idx: int, dataloader_idx: int | None = None
    ) -> tuple[torch.Tensor, Sequence[dict[str, Any] | None], Sequence[Any]]:
        """Predict one batch of windows.

        Raises
        ------
        LostForecastError
            If a forecast is NaN or infinite.
        """
        with weights_blamed(self, "every series", batch.pred_time[0] if batch.pred_time else UNKNOWN):
            forecast, schemas, times = self._predicted(batch, batch_idx, dataloader_idx)
        require_finite(self, forecast, batch_idx, times)
        return forecast, schemas, times

    def _predicted(
        self, batch: TorchInferenceBatch, batch_idx: int, dataloader_idx: int | None = None
    ) -> tuple[torch.Tensor, Sequence[dict[str, Any] | None], Sequence[Any]]:
        """Predict one batch, which may be lost.

        Paths are drawn by a seed that Darts has set for the call: each goes on from where it was, over as many blocks
        as there are to forecast.
        """
        if not self.forecaster.network.draws_paths or self.pred_num_samples == 1:
            return super().predict_step(batch, batch_idx, dataloader_idx)
        n_paths, n_windows, seed = self.pred_num_samples, len(batch.past_target), torch.initial_seed()
        at_once = max(self.pred_batch_size // n_windows, 1)
        paths = []
        for first in range(0, n_paths, at_once):
            numbers = range(first, min(first + at_once, n_paths))
            with self._drawn_by(Noise(numbers, n_paths=n_paths, seed=seed, windows=batch.past_target)):
                drawn = self._get_batch_prediction(self.pred_n, batch.tile_tensors(len(numbers)), self.pred_roll_size)
            paths.append(rearrange(drawn, "(n B) H C -> n B H C", B=n_windows))
        return torch.cat(paths), batch.series_schema, batch.pred_time

    @contextmanager
    def _drawn_by(self, noise: Noise) -> Iterator[None]:
        self._noise = noise
        try:
            yield
        finally:
            self._noise = None

    def _produce_predict_output(self, x: PLModuleInput) -> PLModuleOutput:
        """Sample step by step where a step depends on the one before, and draw paths while there is noise for them."""
        feeds_on_samples = (
            self.forecaster.network.feeds_on_itself
            and self.likelihood is not None
            and not self.predict_likelihood_parameters
        )
        if feeds_on_samples or self._noise is not None:
            return PLModuleOutput(prediction=self.sample(x, self._noise))
        return super()._produce_predict_output(x)
