"""Aaren as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.networks.aaren import Aaren


class AarenModel(TSFormerModel):
    """Aaren: a causal transformer that takes in each further observation in constant time and memory.

    One learned query attends to all patches up to each, so that attention goes on as a recurrent network does. The
    components do not look at each other. Takes past, future and static covariates, any number of targets, and every
    likelihood of Darts.

    ``stream`` follows a series row by row; train with ``use_instance_norm="running"``, or False, to use it.

    Notes
    -----
    Feng et al., "Attention as an RNN", 2024 (arXiv 2405.13956). See :class:`darts_tsformers.networks.Aaren` for the
    architecture and for where it deviates.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import AarenModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = AarenModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = Aaren
    tiny: ClassVar[dict[str, Any]] = {
        "patch_length": 3,
        "d_model": 8,
        "n_heads": 2,
        "n_encoder_layers": 2,
        "d_ff": 11,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "joint": {"patch_length": 1, "channel_independent": False, "use_instance_norm": "running"}
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
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.2,
        activation: str = "gelu",
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
        own = {"patch_length": min(max(lookback // 3, 1), 24)}
        return super().starting_sizes(lookback, season, n_windows) | own
