"""Forecasts of any model, made more like what a diffusion has learnt of a series."""

from typing import Any

import torch
from darts import TimeSeries
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.checks.fitted import require_fitted
from darts_tsformers.adapter.forecasting.evaluation import in_evaluation
from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.networks import Network

__all__ = ["refine"]

METHODS = ("most_likely", "langevin")
NAMES = ("past_target", "past_covariates", "historic_future_covariates", "future_covariates", "static_covariates")


def refine(
    model: TSFormerModel,
    series: TimeSeries,
    base_forecast: TimeSeries,
    past_covariates: TimeSeries | None = None,
    future_covariates: TimeSeries | None = None,
    *,
    method: str = "most_likely",
    num_samples: int = 100,
    n_iterations: int = 20,
    rate: float = 0.1,
    noise_scale: float = 0.1,
    step: int | None = None,
    random_state: int = 0,
) -> TimeSeries:
    """Refine a forecast: keep near it, and go to where a diffusion guesses noise well.

    The forecast may be of any model of Darts. Its samples are put in order at each step, and each is tied to its own
    quantile of where it began; a forecast without samples is repeated, and spreads.

    Parameters
    ----------
    model
        A fitted diffusion: :class:`~darts_tsformers.TSDiffModel`.
    series
        What was known when the forecast was made: it begins right after, or ``output_chunk_shift`` steps later.
    base_forecast
        The forecast, of the ``output_chunk_length`` steps of the model.
    past_covariates, future_covariates
        Those that ``model.predict`` needs.
    method
        ``"most_likely"``: down the energy; ``"langevin"``: with noise that comes in at random.
    num_samples
        How often a forecast without samples is repeated.
    n_iterations
        Steps down the energy.
    rate
        Their size.
    noise_scale
        Of the noise of ``"langevin"``.
    step
        Step of the diffusion whose noise is put on. None for a fifth of all.
    random_state
        The same number, the same refinement.

    Returns
    -------
    TimeSeries
        The refined forecast, with as many samples as the forecast or ``num_samples``.

    Raises
    ------
    TypeError
        If it is no model of this package.
    ValueError
        If the model is not fitted or refines nothing, the forecast is not of the steps and components that follow the
        series, or an argument breaks its rule.

    Notes
    -----
    Kollovieh et al., "Predict, Refine, Synthesize: Self-Guiding Diffusion Models for Probabilistic Time Series
    Forecasting", NeurIPS 2023. Their rate falls on a plateau of a hundred iterations, of which there are 20. By
    ``guidance="squared"`` they tie gaps to zero as well, and we do not.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts.models import NaiveSeasonal
    >>> from darts_tsformers import TSDiffModel
    >>> from darts_tsformers.refinement import refine
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = TSDiffModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> base = NaiveSeasonal(25).fit(series).predict(12)
    >>> refined = refine(model.fit(series, verbose=False), series, base, num_samples=20)
    >>> refined.n_samples, refined.start_time() == base.start_time()
    (20, True)
    """
    require_fitted(model)
    network = model.model.forecaster.network
    if type(network).refine is Network.refine:
        raise ValueError(f"model={type(model).__name__}(...) must be a diffusion: it refines no forecasts")
    require_one_of(METHODS, method=method)
    require_at_least(1, num_samples=num_samples, n_iterations=n_iterations)
    step = len(network.schedule) // 5 if step is None else step
    if not 0 <= step < len(network.schedule):
        raise ValueError(f"step={step} must be from 0 to {len(network.schedule) - 1}")
    if not rate > 0 or not noise_scale >= 0:
        raise ValueError(f"rate={rate!r} must be above 0, and noise_scale={noise_scale!r} at least 0")
    _check_forecast(model, series, base_forecast)
    window = _window(model, series, past_covariates, future_covariates)
    n = base_forecast.n_samples if base_forecast.n_samples > 1 else num_samples
    base = window.past_target.new_tensor(base_forecast.all_values(copy=False)).permute(2, 0, 1)
    how = {"step": step, "n_iterations": n_iterations, "rate": rate}
    how["noise_scale"] = noise_scale if method == "langevin" else 0.0
    with in_evaluation(model.model), torch.no_grad():
        refined = model.model.refine(window, base.sort(dim=0).values.expand(n, -1, -1), seed=random_state, **how)
    values = refined.permute(1, 2, 0).to(torch.promote_types(refined.dtype, torch.float32)).cpu().numpy()
    return base_forecast.with_values(values)


def _check_forecast(model: TSFormerModel, series: TimeSeries, base: TimeSeries) -> None:
    if not isinstance(series, TimeSeries) or not isinstance(base, TimeSeries):
        raise ValueError("series and base_forecast must each be one series")
    start = series.end_time() + (1 + model.output_chunk_shift) * series.freq
    if base.freq != series.freq or base.start_time() != start or len(base) != model.output_chunk_length:
        raise ValueError(
            f"base_forecast must be of {model.output_chunk_length} steps from {start} on, not of {len(base)} from "
            f"{base.start_time()} on, or its frequency differs"
        )
    if base.n_components != series.n_components:
        raise ValueError(f"base_forecast has {base.n_components} components, but series has {series.n_components}")


def _window(
    model: TSFormerModel,
    series: TimeSeries,
    past_covariates: TimeSeries | None,
    future_covariates: TimeSeries | None,
) -> PLModuleInput:
    """Return the window that ``predict`` would forecast from."""
    given: Any = ([series], *(None if one is None else [one] for one in (past_covariates, future_covariates)))
    n = model.output_chunk_length
    if model.encoders is not None and model.encoders.encoding_available:
        given = (given[0], *model.generate_predict_encodings(n, *given))
    model._verify_past_future_covariates(past_covariates=given[1], future_covariates=given[2])
    (sample,) = model._build_inference_dataset(n, *given)
    model._validate_predict_ds_output(train_sample=model.train_sample, inference_sample=sample)
    parts = {name: getattr(sample, name) for name in NAMES}
    how = {"dtype": model.model.dtype, "device": model.model.device}
    tensors = {name: None if one is None else torch.tensor(one, **how)[None] for name, one in parts.items()}
    return PLModuleInput(**tensors, stage=ModuleStage.PREDICT)
