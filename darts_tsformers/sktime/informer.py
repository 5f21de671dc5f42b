"""Informer as an sktime forecaster."""

from collections.abc import Sequence
from typing import Any

from darts_tsformers.attention import AttentionLike
from darts_tsformers.models import InformerModel
from darts_tsformers.sktime._forecaster import TSFormerForecaster


class InformerForecaster(TSFormerForecaster):
    """Informer: sparse attention over time steps, the whole horizon in one pass.

    For long look-backs: its cost grows hardly faster than the look-back. See :class:`darts_tsformers.InformerModel`.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from darts_tsformers.sktime import InformerForecaster
    >>> y = load_airline()
    >>> forecaster = InformerForecaster(36, 12, n_epochs=1, random_state=0)
    >>> forecaster.fit(y, fh=range(1, 13)).predict().index[-1]
    Period('1961-12', 'M')
    >>> forecaster.predict_interval(coverage=0.9).shape
    (12, 2)
    """

    model_class = InformerModel

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
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
        recompute: bool = False,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        model_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(locals())
