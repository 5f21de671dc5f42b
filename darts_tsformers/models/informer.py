"""Informer as a Darts model."""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import CALENDAR, HALVED, trained
from darts_tsformers.attention import AttentionLike
from darts_tsformers.networks.informer import Informer


class InformerModel(TSFormerModel):
    """Informer: sparse attention over time steps, the whole horizon in one pass.

    For long look-backs: its cost grows hardly faster than the look-back. The paper has no instance normalisation, so
    it is off by default; ``use_instance_norm=True`` helps where the level of a series moves.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts.

    Zhou et al., "Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting", AAAI 2021. See
    :class:`darts_tsformers.networks.Informer` for the architecture and for where it deviates.

    Recipes (``paper_config``): those of the authors' scripts for all components, at horizon 24; WTH is their hourly
    weather, not the one of later papers. The rate halves with each epoch from the third on, patience is 3, and the four
    marks of the calendar are future covariates.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import InformerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = InformerModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = Informer
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": lookback,
            "output_chunk_length": 24,
            "label_length": label,
            "d_model": 512,
            "n_heads": 8,
            "n_encoder_layers": n_encoder_layers,
            "n_decoder_layers": n_decoder_layers,
            "d_ff": 2048,
            "dropout": 0.05,
            "attention": ("prob_sparse", {"factor": factor}),
        }
        | CALENDAR
        | trained(1e-4, batch=32, epochs=6, patience=3, schedule=HALVED)
        # scripts/ of the authors' repository, all components, horizon 24; the rest are defaults of main_informer.py
        for dataset, (lookback, label, n_encoder_layers, n_decoder_layers, factor) in {
            "ETTh1": (48, 48, 2, 1, 3),
            "ETTh2": (48, 48, 2, 1, 5),
            "ETTm1": (672, 96, 2, 1, 5),
            "WTH": (168, 168, 3, 2, 5),
        }.items()
    }
    tiny: ClassVar[dict[str, Any]] = {
        "d_model": 8,
        "n_heads": 2,
        "n_encoder_layers": 2,
        "d_ff": 11,
        "dropout": 0.1,
        "use_instance_norm": True,
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        label_length: int | None = None,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
        attention: AttentionLike = "prob_sparse",
        distil: bool = True,
        distil_norm: str = "batch",
        replica_layers: Sequence[int] | None = None,
        padding_mode: str = "replicate",
        mix: bool = False,
        use_instance_norm: bool = False,
        instance_norm_affine: bool = False,
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
        return super().starting_sizes(lookback, season, n_windows) | {"use_instance_norm": True}
