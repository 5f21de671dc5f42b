"""ReGENN as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.networks.regenn import ReGENN


class ReGENNModel(TSFormerModel):
    """ReGENN: a graph of the components, learnt from the data, that evolves in training and can be read.

    For a fixed set of a few related components, observed on many series or on one: the graph ties the model to them,
    and their order matters. What goes into what is to be read off the evolved graph, by name.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts.

    Spadon et al., "Pay Attention to Evolution: Time Series Forecasting with Deep Graph-Evolution Learning", IEEE
    Transactions on Pattern Analysis and Machine Intelligence, 2022. See :class:`darts_tsformers.networks.ReGENN` for
    the architecture and for where it deviates. There are no recipes: its data are none of the usual benchmarks.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import ReGENNModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(400) / 4).reshape(200, 2).astype(np.float32))
    >>> model = ReGENNModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> model.fit(series, verbose=False).predict(12, verbose=False).n_components
    2
    """

    network_class = ReGENN
    tiny: ClassVar[dict[str, Any]] = {"d_ff": 11}
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "counts": {
            "graph": "co_occurrence",
            "n_encoder_layers": 0,
            "evolution_activation": "relu",
            "bidirectional_gate": True,
            "bidirectional_decoder": True,
        }
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        graph: str = "correlation",
        n_encoder_layers: int = 1,
        d_ff: int = 256,
        dropout: float = 0.1,
        activation: str = "relu",
        evolution_activation: str | None = None,
        bidirectional_gate: bool = False,
        bidirectional_decoder: bool = False,
        highway: bool = True,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        categorical_embedding_sizes: dict[str, int | tuple[int, int]] | None = None,
        recompute: bool = False,
        **kwargs: Unpack[DartsArguments],
    ) -> None:
        super().__init__()
