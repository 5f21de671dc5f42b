"""Autoformer as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.decomposing import DecomposingModel
from darts_tsformers.adapter.published import CALENDAR, CALENDAR_WITH_MINUTES, HALVED, trained
from darts_tsformers.attention import AttentionLike
from darts_tsformers.networks.autoformer import Autoformer


class AutoformerModel(DecomposingModel):
    """Autoformer: finds the periods of a series by auto-correlation, and keeps trend and season apart.

    For seasonal series. The paper has no instance normalisation. It is on by default all the same: data come
    unscaled, and levels move.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts. ``decompose`` gives
    the two parts of a forecast.

    Wu et al., "Autoformer: Decomposition Transformers with Auto-Correlation for Long-Term Series Forecasting", NeurIPS
    2021. See :class:`darts_tsformers.networks.Autoformer` for the architecture and for where it deviates.

    Recipes (``paper_config``): those of the authors' scripts at horizon 96, and 24 for illness; the script for ETTh1
    leaves this horizon out and has the same sizes for all others. The rate halves with each epoch from the third on,
    patience is 3, and four marks of the calendar, on ETTm1 five, are future covariates. No instance normalisation.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import AutoformerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = AutoformerModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> trend, seasonal = model.fit(series, verbose=False).decompose()
    >>> len(trend), len(seasonal)
    (12, 12)
    """

    network_class = Autoformer
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": lookback,
            "output_chunk_length": horizon,
            "label_length": lookback // 2,
            "kernel_size": 25,
            "d_model": 512,
            "n_heads": 8,
            "n_encoder_layers": 2,
            "n_decoder_layers": 1,
            "d_ff": 2048,
            "dropout": 0.05,
            "attention": ("auto_correlation", {"factor": factor}),
            "use_instance_norm": False,
        }
        | calendar
        | trained(1e-4, batch=32, epochs=epochs, patience=3, schedule=HALVED)
        # scripts/ of the authors' repository; the rest are defaults of run.py
        for dataset, (lookback, horizon, factor, epochs, calendar) in {
            "ETTh1": (96, 96, 3, 10, CALENDAR),
            "ETTh2": (96, 96, 3, 10, CALENDAR),
            "ETTm1": (96, 96, 3, 10, CALENDAR_WITH_MINUTES),
            "ETTm2": (96, 96, 1, 10, CALENDAR),
            "weather": (96, 96, 3, 2, CALENDAR),
            "exchange": (96, 96, 3, 10, CALENDAR),
            "illness": (36, 24, 3, 10, CALENDAR),
            "electricity": (96, 96, 3, 10, CALENDAR),
            "traffic": (96, 96, 3, 3, CALENDAR),
        }.items()
    }
    tiny: ClassVar[dict[str, Any]] = {"d_model": 8, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 11, "kernel_size": 5}

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        label_length: int | None = None,
        kernel_size: int = 25,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
        attention: AttentionLike = "auto_correlation",
        padding_mode: str = "replicate",
        use_instance_norm: bool = True,
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
        kernel = {"kernel_size": season if season > 1 else 25}  # takes the season out of the trend
        return super().starting_sizes(lookback, season, n_windows) | kernel
