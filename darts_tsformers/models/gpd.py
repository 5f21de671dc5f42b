"""GPD as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.networks.gpd import GPD


class GPDModel(TSFormerModel):
    """GPD: a diffusion learnt over many series, which forecasts one it never saw by filling in its horizon.

    For many series, and for those that come later: ``fit`` on a list of series of any kind, then
    ``predict(n, series=other, num_samples=100)``, which draws paths; without ``num_samples`` the forecast is their
    median. Each window is put at a level and spread of its own. The components do not look at each other. Takes past,
    future and static covariates and any number of targets; no likelihood.

    Notes
    -----
    Yang et al., "Generative Pre-Trained Diffusion Paradigm for Zero-Shot Time Series Forecasting", 2024,
    arXiv:2406.02212. See :class:`darts_tsformers.networks.GPD` for the architecture and for what is our reading of it:
    its code is not public, and so there are no recipes.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import GPDModel
    >>> waves = [TimeSeries.from_values(np.sin(np.arange(120) / pace).astype(np.float32)) for pace in (2, 3, 5)]
    >>> model = GPDModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> model.fit(waves[:2], verbose=False).predict(12, series=waves[2], num_samples=20, verbose=False).n_samples
    20
    """

    network_class = GPD
    tiny: ClassVar[dict[str, Any]] = {
        "patch_length": 4,
        "d_model": 8,
        "n_layers": 2,
        "n_diffusion_steps": 20,
        "n_sampling_steps": 3,
        "guidance_scale": 1.0,
        "n_paths": 5,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "ddpm": {
            "patch_length": 3,
            "n_layers": 3,
            "sampler": "ddpm",
            "n_diffusion_steps": 5,
            "guidance_scale": 0,
            "n_passes": 2,
        },
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        patch_length: int | None = None,
        d_model: int = 64,
        expansion_factor: int = 2,
        n_layers: int = 4,
        d_step: int | None = None,
        n_diffusion_steps: int = 1000,
        sampler: str = "ddim",
        n_sampling_steps: int = 20,
        spacing: str = "uniform",
        eta: float | int = 1.0,
        guidance_scale: float | int = 3.0,
        n_passes: int = 1,
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
