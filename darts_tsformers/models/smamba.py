"""S-Mamba as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.calendar import hourly_marks
from darts_tsformers.adapter.published import HALVED, trained
from darts_tsformers.networks.smamba import SMamba


class SMambaModel(TSFormerModel):
    """S-Mamba: each variate is one token, Mamba runs across variates from both ends.

    iTransformer at a cost that grows with the number of variates, not with its square: for a thousand related
    components and more. Their order matters, unless it is left to the window (``variate_order="correlation"``).

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts.

    Wang et al., "Is Mamba Effective for Time Series Forecasting?", 2024. See
    :class:`darts_tsformers.networks.SMamba` for the architecture and for where it deviates.

    Recipes (``paper_config``): those of the authors' scripts at horizon 96; the rate halves with each epoch from the
    third on, patience is 3. The four marks of the calendar are tokens, as past covariates.

    ``train_variates`` draws the components of each batch in a random order: with ``train_variates=1.0`` the model
    learns from all of them, and not to rely on their order.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import SMambaModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(400) / 4).reshape(200, 2).astype(np.float32))
    >>> model = SMambaModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> model.fit(series, verbose=False).predict(12, verbose=False).n_components
    2
    """

    network_class = SMamba
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": 96,
            "output_chunk_length": 96,
            "d_model": d_model,
            "n_encoder_layers": n_layers,
            "d_ff": d_model,
            "d_state": d_state,
            "dropout": 0.1,
            "add_encoders": {"custom": {"past": [hourly_marks]}},
        }
        | trained(rate, batch=batch, epochs=epochs, patience=3, schedule=HALVED)
        # scripts/multivariate_forecasting/ of the authors' repository, horizon 96; the rest are defaults of run.py
        for dataset, (n_layers, d_model, d_state, rate, epochs, batch) in {
            "ETTh1": (2, 256, 2, 7e-5, 10, 32),
            "ETTh2": (2, 256, 2, 4e-5, 10, 32),
            "ETTm1": (2, 256, 2, 5e-5, 10, 32),
            "ETTm2": (2, 256, 2, 5e-5, 10, 32),
            "weather": (3, 512, 2, 5e-5, 5, 32),
            "exchange": (2, 128, 32, 1e-4, 10, 16),
            "electricity": (3, 512, 16, 1e-3, 5, 16),
            "traffic": (4, 512, 32, 1e-3, 10, 16),
        }.items()
    }
    tiny: ClassVar[dict[str, Any]] = {"d_model": 8, "n_encoder_layers": 2, "d_ff": 11, "d_state": 3}
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "correlation": {"variate_order": "correlation", "d_conv": 3, "expand": 2}
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        d_model: int = 128,
        n_encoder_layers: int = 2,
        d_ff: int = 256,
        d_state: int = 16,
        d_conv: int = 2,
        expand: int = 1,
        dropout: float = 0.1,
        activation: str = "gelu",
        variate_order: str = "given",
        use_instance_norm: bool = True,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        categorical_embedding_sizes: dict[str, int | tuple[int, int]] | None = None,
        recompute: bool = False,
        **kwargs: Unpack[DartsArguments],
    ) -> None:
        super().__init__()
