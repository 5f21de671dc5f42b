"""FEDformer as an sktime forecaster."""

from collections.abc import Sequence
from typing import Any

from darts_tsformers.models import FEDformerModel
from darts_tsformers.sktime._forecaster import TSFormerForecaster


class FEDformerForecaster(TSFormerForecaster):
    """FEDformer: works on a few frequencies of a series, and keeps trend and season apart.

    Its cost grows as the look-back does. ``model_.darts.decompose`` gives trend and seasonal part of a forecast. See
    :class:`darts_tsformers.FEDformerModel`.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from darts_tsformers.sktime import FEDformerForecaster
    >>> y = load_airline()
    >>> forecaster = FEDformerForecaster(36, 12, n_epochs=1, random_state=0)
    >>> forecaster.fit(y, fh=range(1, 13)).predict().index[-1]
    Period('1961-12', 'M')
    >>> forecaster.predict_interval(coverage=0.9).shape
    (12, 2)
    """

    model_class = FEDformerModel

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
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
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(locals())
