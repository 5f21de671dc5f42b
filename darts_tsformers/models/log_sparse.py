"""LogSparse Transformer as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts.utils.likelihood_models.torch import GaussianLikelihood

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import standardised_calendar, trained
from darts_tsformers.attention import AttentionLike
from darts_tsformers.networks.log_sparse import LogSparseTransformer


class LogSparseTransformerModel(TSFormerModel):
    """LogSparse Transformer: forecasts step by step, each step from all before it, at a logarithmic price.

    With a likelihood a sample is a path, each step drawn given the steps drawn before, and quantiles are those of
    paths; without one the mean is trained, and fed back. ``mode="direct"`` gives the horizon, and its quantiles, in one
    pass instead. The paper scales each series; instance normalisation takes that place and is on by default.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts. Likelihood
    parameters asked for directly (``predict_likelihood_parameters``), and validation, follow the path of expected
    values.

    Li et al., "Enhancing the Locality and Breaking the Memory Bottleneck of Transformer on Time Series Forecasting",
    NeurIPS 2019 (arXiv 1907.00235). See :class:`darts_tsformers.networks.LogSparseTransformer` for the architecture and
    for where it deviates.

    Recipe (``paper_config``): a day of electricity from a week of hours, by the Gaussian likelihood, with calendar and
    number of the step as future covariates, as in the paper. The authors' code was never published: layers, heads,
    dropout, batch, rate and the limit on gradients are the defaults of a public program that rebuilds it. Each of its 8
    heads is 25 wide, which makes ``d_model`` 200 here, where heads share the width. The kernel is one of those that the
    paper compares; the number of epochs is ours. Whether it meets the published figures was not measured.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import LogSparseTransformerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = LogSparseTransformerModel(
    ...     48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False}
    ... )
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = LogSparseTransformer
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        "electricity": {
            "input_chunk_length": 168,
            "output_chunk_length": 24,
            "d_model": 200,
            "n_heads": 8,
            "n_decoder_layers": 3,
            "d_ff": 800,
            "kernel_size": 6,
            "dropout": 0.1,
            "likelihood": GaussianLikelihood(),
        }
        | standardised_calendar("hour", "dayofweek", "month")
        | trained(1e-3, batch=64, epochs=20, patience=20, schedule=None, gradient_clip_val=1.0)
    }
    tiny: ClassVar[dict[str, Any]] = {"d_model": 8, "n_heads": 2, "n_decoder_layers": 2, "d_ff": 11, "kernel_size": 3}
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "direct": {"mode": "direct"},
        "history": {"positions": "history", "use_instance_norm": "running"},
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        mode: str = "autoregressive",
        d_model: int = 64,
        n_heads: int = 4,
        n_decoder_layers: int = 3,
        d_ff: int = 256,
        kernel_size: int = 6,
        dropout: float = 0.1,
        activation: str = "relu",
        attention: AttentionLike = "log_sparse",
        positions: str = "window",
        use_instance_norm: bool | str = True,
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
        return super().starting_sizes(lookback, season, n_windows) | {"n_decoder_layers": 2}

    @classmethod
    def needs_paths(cls, **arguments: Any) -> bool:
        """Return whether steps are forecast one by one."""
        return arguments.get("mode") != "direct"
