"""SpaceTime as a Darts model."""

from typing import Any, ClassVar, Unpack

from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import trained
from darts_tsformers.networks.spacetime import N_FILTERS, SpaceTime


class SpaceTimeModel(TSFormerModel):
    """SpaceTime: state-space models that hold any autoregressive process, and forecast by feeding themselves.

    The whole forecast is one closed form in the last state, whose waves have periods that can be looked at. The
    components do not look at each other. Takes past, future and static covariates, any number of targets, and every
    likelihood of Darts.

    ``stream`` follows a series row by row; train with ``use_instance_norm="running"``, or False, to use it.

    Notes
    -----
    Zhang et al., "Effectively Modeling Time Series with Simple Discrete State Spaces", ICLR 2023. See
    :class:`darts_tsformers.networks.SpaceTime` for the architecture and for where it deviates.

    Recipes (``paper_config``): those of the authors' command for single series of the ETT data sets, a horizon of 720.
    Their rate rises for ten epochs before it falls along a cosine, which is left out, as is the root in their losses.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import SpaceTimeModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = SpaceTimeModel(48, 12, d_model=16, d_state=8, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = SpaceTime
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": 336,
            "output_chunk_length": 720,
            "d_model": 128,
            "d_state": 64,
            "n_encoder_layers": 1,
            "n_kernels": 16,
            "embedding": "repeat",
            "dropout": 0.25,
            "norm_order": 1,
        }
        | trained(
            1e-3, batch=50, epochs=500, patience=20, schedule=(CosineAnnealingLR, {"T_max": 300, "eta_min": 1e-5})
        )
        | {"optimizer_cls": AdamW, "optimizer_kwargs": {"lr": 1e-3, "weight_decay": 1e-4}}
        for dataset in ("ETTh1", "ETTh2", "ETTm1", "ETTm2")
    }
    tiny: ClassVar[dict[str, Any]] = {"d_model": 8, "d_state": 5, "n_kernels": None}
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "joint": {
            "channel_independent": False,
            "embedding": "linear",
            "n_encoder_layers": 2,
            "n_kernels": 2,
            "max_window": 5,
            "next_input_weight": 0.5,
            "use_instance_norm": "running",
        }
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        channel_independent: bool = True,
        d_model: int = 64,
        d_state: int = 64,
        n_encoder_layers: int = 1,
        n_kernels: int | None = None,
        max_window: int | None = None,
        embedding: str = "repeat",
        dropout: float = 0.25,
        norm_order: int = 1,
        open_loop_weight: float | int = 1.0,
        next_input_weight: float | int = 1.0,
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

    @classmethod
    def starting_sizes(cls, lookback: int, season: int, n_windows: int) -> dict[str, Any]:
        """Return keyword arguments to start from on a series."""
        sizes = super().starting_sizes(lookback, season, n_windows)
        own = {"d_model": sizes["d_model"] // N_FILTERS * N_FILTERS, "d_state": min(64, max(lookback // 2, 1))}
        return sizes | own
