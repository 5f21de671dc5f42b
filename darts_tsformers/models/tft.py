"""Temporal Fusion Transformer as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.callbacks import ClipEachGradient
from darts_tsformers.adapter.published import standardised_calendar, trained
from darts_tsformers.attention import AttentionLike
from darts_tsformers.networks.tft import TemporalFusionTransformer


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

    Recipes (``paper_config``): those of the authors' code, a day from a week of hours; a gain of less than 1e-4 does
    not count, patience is 5, gradients are clipped each by itself. Hour, weekday and number of the step are future
    covariates. The authors also show which series it is, as a static category: give it as a static covariate and name
    it in ``categorical_embedding_sizes``. They train on 450,000 windows (``max_samples_per_ts`` of ``fit``).

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
        dataset: {
            "input_chunk_length": 168,
            "output_chunk_length": 24,
            "d_model": d_model,
            "n_heads": 4,
            "n_lstm_layers": 1,
            "dropout": dropout,
            "use_instance_norm": False,
            "likelihood": QuantileRegression([0.1, 0.5, 0.9]),
        }
        | standardised_calendar("hour", "dayofweek")
        | trained(
            1e-3,
            batch=batch,
            epochs=100,
            patience=5,
            min_delta=1e-4,
            schedule=None,
            callbacks=[ClipEachGradient(longest)],
        )
        # data_formatters/electricity.py and traffic.py of the authors' repository
        for dataset, (d_model, dropout, batch, longest) in {
            "electricity": (160, 0.1, 64, 0.01),
            "traffic": (320, 0.3, 128, 100.0),
        }.items()
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
