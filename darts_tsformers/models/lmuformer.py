"""LMUFormer as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.networks.lmuformer import LMUFormer


class LMUFormerModel(TSFormerModel):
    """LMUFormer: a memory of the look-back, held as polynomials, that takes in each further observation at once.

    The memory stands in the place of attention, and what it still holds can be looked at. The components do not look at
    each other. Takes past, future and static covariates, any number of targets, and every likelihood of Darts.

    ``stream`` follows a series row by row; train with ``use_instance_norm="running"``, or False, to use it.

    Notes
    -----
    Liu et al., "LMUFormer: Low Complexity Yet Powerful Spiking Model With Legendre Memory Units", ICLR 2024. See
    :class:`darts_tsformers.networks.LMUFormer` for the architecture and for where it deviates.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import LMUFormerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = LMUFormerModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = LMUFormer
    tiny: ClassVar[dict[str, Any]] = {
        "patch_length": 3,
        "d_model": 8,
        "n_encoder_layers": 2,
        "d_ff": 11,
        "d_memory": 2,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {
            "patch_length": 1,
            "channel_independent": False,
            "d_memory": 1,
            "memory_length": 7,
            "memory_order": 8,
            "norm": "batch",
        }
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        patch_length: int | None = None,
        channel_independent: bool = True,
        d_model: int = 64,
        n_encoder_layers: int = 2,
        d_ff: int = 128,
        memory_length: int | None = None,
        memory_order: int | None = None,
        d_memory: int = 4,
        dropout: float = 0.2,
        norm: str = "layer",
        use_instance_norm: bool | str = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
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
        own = {"patch_length": min(max(lookback // 3, 1), 8)}
        return super().starting_sizes(lookback, season, n_windows) | own
