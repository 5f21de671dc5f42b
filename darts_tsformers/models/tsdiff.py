"""TSDiff as a Darts model."""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.networks.tsdiff import TSDiff
from darts_tsformers.seasonality import lags_of

_RECIPE: dict[str, Any] = {
    "d_model": 64,
    "d_state": 128,
    "n_layers": 3,
    "d_step": 128,
    "sampler": "ddpm",
    "use_instance_norm": "magnitude",
    "batch_size": 64,
    "n_epochs": 1000,
    "optimizer_kwargs": {"lr": 1e-3},
    "pl_trainer_kwargs": {"gradient_clip_val": 0.5, "limit_train_batches": 128},
}


def _published(context: int, horizon: int, scale: float, lags: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a recipe; the look-back has the steps before the context that its lags reach."""
    reach = {"input_chunk_length": context + (lags_of(lags)[-1] if lags else 0), "output_chunk_length": horizon}
    return reach | _RECIPE | {"guidance_scale": scale, "lags": lags} | more


class TSDiffModel(TSFormerModel):
    """TSDiff: a diffusion that draws whole paths, and is told while it draws what was observed.

    For distributions of what comes: ``predict(n, num_samples=100)`` draws paths; without ``num_samples`` the forecast
    is their median. It learns windows, and not a forecast: gaps and guidance can change after training. The components
    do not look at each other. Takes past, future and static covariates and any number of targets; no likelihood.

    Notes
    -----
    Kollovieh et al., "Predict, Refine, Synthesize: Self-Guiding Diffusion Models for Probabilistic Time Series
    Forecasting", NeurIPS 2023. See :class:`darts_tsformers.networks.TSDiff` for the architecture and for where it
    deviates, and :func:`darts_tsformers.refinement.refine` to refine the forecasts of other models.

    ``lags`` may name a frequency of pandas, as ``"15min"``: see :func:`darts_tsformers.seasonality.lags_of`.

    Recipes (``paper_config``): those of the authors' code, whose best weights are picked by guided forecasts every 50
    epochs; here the last ones are kept.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import TSDiffModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = TSDiffModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> model.fit(series, verbose=False).predict(12, num_samples=20, verbose=False).n_samples
    20
    """

    network_class = TSDiff
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        # configs of amazon-science/unconditional-time-series-diffusion
        "electricity": _published(336, 24, 4, "h"),
        "solar": _published(336, 24, 8, "h"),
        "traffic": _published(336, 24, 4, "h", skips=True),
        "exchange_rate": _published(360, 30, 8, "B", skips=True),
        "m4_hourly": _published(312, 48, 2),
        "kdd_cup": _published(312, 48, 1, "h", skips=True),
        "uber_tlc": _published(336, 24, 2, "h"),
        "wiki": _published(360, 30, 2),
    }
    tiny: ClassVar[dict[str, Any]] = {
        "d_model": 8,
        "d_state": 6,
        "n_layers": 2,
        "n_diffusion_steps": 20,
        "n_sampling_steps": 4,
        "n_paths": 5,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "conditional": {"conditional": True, "skips": True, "spacing": "quadratic", "lags": [2, 3]},
        "squared": {"sampler": "ddpm", "guidance": "squared", "guidance_scale": 0.3, "n_diffusion_steps": 7},
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        d_model: int = 32,
        d_state: int = 64,
        n_layers: int = 2,
        d_step: int | None = None,
        n_diffusion_steps: int = 100,
        conditional: bool = False,
        lags: Sequence[int] | str | None = None,
        skips: bool = False,
        sampler: str = "ddim",
        n_sampling_steps: int = 10,
        spacing: str = "uniform",
        eta: float | int = 1.0,
        guidance: str = "quantile",
        guidance_scale: float | int = 1.0,
        n_paths: int = 100,
        dropout: float = 0.0,
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        categorical_embedding_sizes: dict[str, int | tuple[int, int]] | None = None,
        recompute: bool = False,
        **kwargs: Unpack[DartsArguments],
    ) -> None:
        super().__init__()

    def _network_arguments(self) -> dict[str, Any]:
        """Put the lags of a frequency in its place."""
        given = super()._network_arguments()
        return given | {"lags": lags_of(given["lags"])} if isinstance(given.get("lags"), str) else given
