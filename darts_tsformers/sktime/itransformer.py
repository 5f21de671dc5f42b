"""ITransformer as an sktime forecaster."""

from collections.abc import Sequence
from typing import Any

from darts_tsformers.attention import AttentionLike
from darts_tsformers.models import ITransformerModel
from darts_tsformers.sktime._forecaster import TSFormerForecaster


class ITransformerForecaster(TSFormerForecaster):
    """iTransformer: each variable is one token, attention runs across variables.

    A strong default for many related variables. See :class:`darts_tsformers.ITransformerModel`.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from darts_tsformers.sktime import ITransformerForecaster
    >>> y = load_airline()
    >>> forecaster = ITransformerForecaster(36, 12, n_epochs=1, random_state=0)
    >>> forecaster.fit(y, fh=range(1, 13)).predict().index[-1]
    Period('1961-12', 'M')
    >>> forecaster.predict_interval(coverage=0.9).shape
    (12, 2)
    """

    model_class = ITransformerModel

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        *,
        d_model: int = 128,
        n_heads: int = 8,
        n_encoder_layers: int = 2,
        d_ff: int = 256,
        dropout: float = 0.1,
        activation: str = "gelu",
        attention: AttentionLike = "full",
        use_instance_norm: bool = True,
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
