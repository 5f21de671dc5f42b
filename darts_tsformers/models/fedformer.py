"""FEDformer as a Darts model."""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.decomposing import DecomposingModel
from darts_tsformers.adapter.published import CALENDAR, HALVED, trained
from darts_tsformers.networks.fedformer import FEDformer


class FEDformerModel(DecomposingModel):
    """FEDformer: works on a few frequencies of a series, or on its wavelets, and keeps trend and season apart.

    Its cost grows as the look-back does. The paper has no instance normalisation. It is on by default all the
    same: data come unscaled, and levels move.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts. ``decompose`` gives
    the two parts of a forecast.

    Zhou et al., "FEDformer: Frequency Enhanced Decomposed Transformer for Long-term Series Forecasting", ICML 2022. See
    :class:`darts_tsformers.networks.FEDformer` for the architecture and for where it deviates.

    Recipes (``paper_config``): those of the authors' script for the Fourier version, at horizon 96, and 24 for illness.
    The rate halves with each epoch from the third on, patience is 3, and four marks of the calendar are future
    covariates. No instance normalisation.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import FEDformerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = FEDformerModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> trend, seasonal = model.fit(series, verbose=False).decompose()
    >>> len(trend), len(seasonal)
    (12, 12)
    """

    network_class = FEDformer
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": lookback,
            "output_chunk_length": horizon,
            "label_length": lookback // 2,
            "kernel_sizes": [24],
            "modes": 64,
            "d_model": 512,
            "n_heads": 8,
            "n_encoder_layers": 2,
            "n_decoder_layers": 1,
            "d_ff": 2048,
            "dropout": 0.05,
            "use_instance_norm": False,
        }
        | CALENDAR
        | trained(1e-4, batch=32, epochs=epochs, patience=3, schedule=HALVED)
        # scripts/run_M.sh of the authors' repository; the rest are defaults of run.py
        for dataset, (lookback, horizon, epochs) in {
            "ETTh1": (96, 96, 10),
            "ETTh2": (96, 96, 10),
            "ETTm1": (96, 96, 10),
            "ETTm2": (96, 96, 10),
            "weather": (96, 96, 10),
            "exchange": (96, 96, 10),
            "illness": (36, 24, 10),
            "electricity": (96, 96, 10),
            "traffic": (96, 96, 3),
        }.items()
    }
    tiny: ClassVar[dict[str, Any]] = {
        "d_model": 8,
        "n_heads": 2,
        "n_encoder_layers": 2,
        "d_ff": 11,
        "kernel_sizes": (3, 8),
        "modes": 3,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "wavelet": {
            "version": "wavelet",
            "kernel_sizes": (5,),
            "wavelet_channels": 2,
            "wavelet_order": 3,
            "n_coarse_levels": 1,
        }
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        version: str = "fourier",
        label_length: int | None = None,
        modes: int = 64,
        mode_select: str = "random",
        modes_seed: int = 0,
        frequency_activation: str = "tanh",
        wavelet_channels: int = 8,
        wavelet_order: int = 4,
        n_coarse_levels: int = 3,
        kernel_sizes: Sequence[int] = (24,),
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
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
        kernels = {"kernel_sizes": (season if season > 1 else 25,)}  # takes the season out of the trend
        return super().starting_sizes(lookback, season, n_windows) | kernels
