"""Temporal Fusion Transformer as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.attention import AttentionLike
from darts_tsformers.networks.tft import TemporalFusionTransformer


def _paper_sizes(**own: Any) -> dict[str, Any]:
    return {
        "input_chunk_length": 168,
        "output_chunk_length": 24,
        "n_heads": 4,
        "n_lstm_layers": 1,
        "attention": "full",
        "use_instance_norm": False,
        "likelihood": QuantileRegression([0.1, 0.5, 0.9]),
    } | own


class TemporalFusionTransformerModel(TSFormerModel):
    """Temporal Fusion Transformer: which variables matter, and when.

    For series with covariates, which are weighed against each other at every step; the weights can be read. The paper
    standardises each series as a whole and has no instance normalisation. It is on by default all the same: data come
    unscaled, and levels move; where the level itself tells what comes, on standardised data, try
    ``use_instance_norm=False``.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts; the paper's is
    ``QuantileRegression([0.1, 0.5, 0.9])``.

    Lim et al., "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting", International
    Journal of Forecasting 37, 2021. See :class:`darts_tsformers.networks.TemporalFusionTransformer` for the
    architecture and for where it deviates.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import TemporalFusionTransformerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = TemporalFusionTransformerModel(48, 12, d_model=16, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = TemporalFusionTransformer
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        # the published settings of the two data sets
        "electricity": _paper_sizes(
            d_model=160,
            dropout=0.1,
            batch_size=64,
            optimizer_kwargs={"lr": 1e-3},
            pl_trainer_kwargs={"gradient_clip_val": 0.01},
        ),
        "traffic": _paper_sizes(
            d_model=320,
            dropout=0.3,
            batch_size=128,
            optimizer_kwargs={"lr": 1e-3},
            pl_trainer_kwargs={"gradient_clip_val": 100.0},
        ),
    }
    tiny: ClassVar[dict[str, Any]] = {"d_model": 8, "n_heads": 2, "d_variable": 5}
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {"full": {"n_lstm_layers": 2, "full_attention": True}}

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        d_model: int = 64,
        n_heads: int = 4,
        n_lstm_layers: int = 1,
        d_variable: int | None = None,
        dropout: float = 0.1,
        full_attention: bool = False,
        attention: AttentionLike = "full",
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        categorical_embedding_sizes: dict[str, int | tuple[int, int]] | None = None,
        recompute: bool = False,
        **kwargs: Unpack[DartsArguments],
    ) -> None:
        super().__init__()
