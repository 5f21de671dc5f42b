"""Numbers that are lost: weights after training, and forecasts of what was finite."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.models.forecasting.torch_forecasting_model import MixedCovariatesTorchModel
from pytorch_lightning import Trainer
from torch import Tensor, nn

_ALLOWED: ContextVar[bool] = ContextVar("lost forecasts are allowed", default=False)


UNKNOWN = "an unknown time"
"""Where a batch does not say when its forecasts begin."""


class DivergedError(ValueError):
    """A training lost its weights, or never had a finite validation loss.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import ITransformerModel
    >>> from darts_tsformers.adapter.callbacks import BestWeights, DivergedError
    >>> series = TimeSeries.from_values(np.sin(np.arange(60) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    >>> training = {"n_epochs": 1, "optimizer_kwargs": {"lr": 1e30}}
    >>> model = ITransformerModel(24, 12, pl_trainer_kwargs={"callbacks": [BestWeights(3)]} | quiet, **training)
    >>> try:
    ...     model.fit(series, val_series=series, verbose=False)
    ... except DivergedError as error:
    ...     print(error)
    training diverged: the validation loss was never finite; look for extreme values and long gaps
    """


class WatchedModel(MixedCovariatesTorchModel):
    """A model that does not keep lost weights."""

    def _train(self, trainer: Trainer, model: PLForecastingModule, *args: Any, **kwargs: Any) -> None:
        """Train. A model whose weights were lost is as if it had not been fitted: the next training starts anew.

        Raises
        ------
        DivergedError
            If weights are NaN or infinite at the end.
        """
        super()._train(trainer, model, *args, **kwargs)
        if has_lost_weights(self.model):
            epoch = self.model.lost_in
            self.__dict__.update(model=None, _fit_called=False)
            raise DivergedError(
                f"training diverged in epoch {epoch}: weights became NaN or infinite; lower the learning rate "
                "(optimizer_kwargs), clip gradients (gradient_clip_val in pl_trainer_kwargs), or look for extreme "
                "values in series and covariates"
            )


class LostForecastError(ValueError):
    """A forecast of finite values is NaN or infinite."""


def has_lost_weights(module: nn.Module) -> bool:
    """Whether a weight is NaN or infinite."""
    return not all(bool(weight.isfinite().all()) for weight in module.parameters())


@contextmanager
def lost_forecasts_allowed() -> Iterator[None]:
    """Let forecasts be NaN or infinite inside the block, for who looks at them and says so."""
    token = _ALLOWED.set(True)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def require_finite(module: PLForecastingModule, forecast: Tensor, batch_idx: int, times: Sequence[object]) -> None:
    """Raise an error if a forecast, ``(n_samples, B, H, C)``, is not finite; it names the series or the window."""
    finite = torch.isfinite(forecast).all(dim=0).flatten(1).all(dim=1)
    if _ALLOWED.get() or finite.all():
        return
    i = int((~finite).int().argmax())
    dataset = module.trainer.predict_dataloaders.dataset
    position = batch_idx * module.pred_batch_size + i
    series = dataset.position(position)[0] if hasattr(dataset, "position") else position
    raise _lost(module, f"series {series}", times[i] if times else UNKNOWN)


def require_finite_stream(module: PLForecastingModule, forecast: Tensor, time: object) -> None:
    """Raise an error if a forecast of the one series that is followed, from some time on, is not finite."""
    if not (_ALLOWED.get() or torch.isfinite(forecast).all()):
        raise _lost(module, "the stream", time)


@contextmanager
def weights_blamed(module: PLForecastingModule, forecast_of: str, time: object) -> Iterator[None]:
    """Say that weights are lost, where they are, in place of an error from drawing samples of NaN."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if _ALLOWED.get() or isinstance(error, LostForecastError) or not has_lost_weights(module):
            raise
        raise _lost(module, forecast_of, time) from error


def _lost(module: PLForecastingModule, forecast_of: str, time: object) -> LostForecastError:
    remedy = (
        "the weights of the model are lost: fit it anew, at a lower learning rate"
        if has_lost_weights(module)
        else "look for extreme values in it and in its covariates"
    )
    return LostForecastError(f"the forecast of {forecast_of} from {time} on is NaN or infinite: {remedy}")
