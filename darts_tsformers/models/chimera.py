"""Chimera as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.decomposing import DecomposingModel
from darts_tsformers.networks.chimera import Chimera


class ChimeraModel(DecomposingModel):
    """Chimera: a state along time and one across variates, with a trend and a seasonal part.

    For related components with a trend and a season, at a cost that grows with the look-back and with their number, and
    with the square of neither. The order of the components matters, unless it is left to the window
    (``variate_order="correlation"``).

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts. ``decompose`` gives
    the two parts of a forecast.

    Behrouz et al., "Chimera: Effectively Modeling Multivariate Time Series with 2-Dimensional State Space Models",
    NeurIPS 2024. See :class:`darts_tsformers.networks.Chimera` for the architecture and for where it deviates.

    There is no recipe of the authors (``paper_config``): neither code nor sizes nor the look-back are public, and their
    table has averages over four horizons alone. The sizes here are ours.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import ChimeraModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(400) / 4).reshape(200, 2).astype(np.float32))
    >>> model = ChimeraModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> trend, seasonal = model.fit(series, verbose=False).decompose()
    >>> len(trend), len(seasonal)
    (12, 12)
    """

    network_class = Chimera
    tiny: ClassVar[dict[str, Any]] = {"patch_length": 4, "trend_distance": 2, "d_model": 8, "d_state": 2}
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "correlation": {
            "variate_order": "correlation",
            "coupling": "linear",
            "patch_length": 3,
            "n_encoder_layers": 2,
        }
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        patch_length: int | None = None,
        trend_distance: int = 24,
        d_model: int = 32,
        n_encoder_layers: int = 1,
        d_state: int = 4,
        coupling: str = "bounded",
        dropout: float = 0.1,
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

    @classmethod
    def starting_sizes(cls, lookback: int, season: int, n_windows: int) -> dict[str, Any]:
        """Return keyword arguments to start from on a series."""
        own = {
            "d_model": 32,
            "patch_length": min(max(lookback // 3, 1), 16),
            "trend_distance": season if season > 1 else 24,  # keeps the season out of the trend
        }
        return super().starting_sizes(lookback, season, n_windows) | own
