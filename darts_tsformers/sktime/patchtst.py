"""PatchTST as an sktime forecaster."""

from collections.abc import Sequence
from typing import Any

from darts_tsformers.attention import AttentionLike
from darts_tsformers.models import PatchTSTModel
from darts_tsformers.sktime._forecaster import TSFormerForecaster


class PatchTSTForecaster(TSFormerForecaster):
    """PatchTST: patches as tokens, every variable through one shared encoder.

    A strong default for series with a long look-back; the variables of y do not look at each other. See
    :class:`darts_tsformers.PatchTSTModel`.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from darts_tsformers.sktime import PatchTSTForecaster
    >>> y = load_airline()
    >>> forecaster = PatchTSTForecaster(36, 12, n_epochs=1, random_state=0)
    >>> forecaster.fit(y, fh=range(1, 13)).predict().index[-1]
    Period('1961-12', 'M')
    >>> forecaster.predict_interval(coverage=0.9).shape
    (12, 2)
    """

    model_class = PatchTSTModel

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        activation: str = "gelu",
        norm: str = "batch",
        attention: AttentionLike = "full",
        residual_attention: bool = True,
        individual_head: bool = False,
        decomposition_kernel: int | None = None,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
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
