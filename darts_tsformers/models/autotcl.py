"""AutoTCL as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.networks.autotcl import AutoTCL


class AutoTCLModel(TSFormerModel):
    """AutoTCL: an encoder that learns by telling windows apart, by views that learn what matters, and a linear head.

    One ``fit`` trains it all: the encoder by contrast alone, and a linear head on top. The learnt mask shows which
    steps of a look-back a view can do without.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts. The contrast is
    between the windows of a batch: small batches teach little.

    Zheng et al., "Parametric Augmentation for Time Series Contrastive Learning", ICLR 2024. See
    :class:`darts_tsformers.networks.AutoTCL` for the architecture and for where it deviates.

    There are no recipes (``paper_config``): the authors tune for each data set, with a ridge regression on top. Common
    to all data sets are ``d_hidden=64, d_model=320, n_blocks=11, n_scales=8, causal=False``, a look-back of 201 steps,
    batches of 8, and learning rates of 1e-4, and of 0.012 for the views; ours have one rate.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import AutoTCLModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = AutoTCLModel(48, 12, d_hidden=8, d_model=16, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = AutoTCL
    tiny: ClassVar[dict[str, Any]] = {"d_hidden": 5, "d_model": 7, "n_blocks": 2, "n_scales": 2, "d_augmenter": 3}
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "joint": {
            "channel_independent": False,
            "causal": False,
            "hard_mask": False,
            "hide_rate": 0.2,
            "end_to_end": True,
            "n_blocks": None,
            "n_scales": None,
        }
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        channel_independent: bool = True,
        d_hidden: int = 64,
        d_model: int = 128,
        n_blocks: int | None = None,
        n_scales: int | None = None,
        causal: bool = True,
        d_augmenter: int = 16,
        dropout: float = 0.1,
        hard_mask: bool = True,
        hide_rate: float | int = 0.5,
        temperature: float | int = 1.0,
        local_weight: float | int = 0.72,
        kept_weight: float | int = 0.2,
        consistency_weight: float | int = 0.002,
        ridge: float | int = 1e-3,
        end_to_end: bool = False,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        categorical_embedding_sizes: dict[str, int | tuple[int, int]] | None = None,
        recompute: bool = False,
        **kwargs: Unpack[DartsArguments],
    ) -> None:
        super().__init__()
