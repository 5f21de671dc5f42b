"""PatchTST as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import SLOW, Schedule, one_cycle, trained
from darts_tsformers.attention import AttentionLike
from darts_tsformers.networks.patchtst import PatchTST

_SMALL = {"n_encoder_layers": 3, "d_model": 16, "n_heads": 4, "d_ff": 128, "dropout": 0.3}
_LARGE = {"n_encoder_layers": 3, "d_model": 128, "n_heads": 16, "d_ff": 256, "dropout": 0.2}


def _trained(rate: float = 1e-4, *, batch: int = 128, patience: int, schedule: Schedule | None) -> dict[str, Any]:
    return trained(rate, batch=batch, epochs=100, patience=patience, schedule=schedule)


class PatchTSTModel(TSFormerModel):
    """PatchTST: patches as tokens, every component through one shared encoder.

    A strong default for series with a long look-back; the components do not look at each other.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts.

    Nie et al., "A Time Series is Worth 64 Words: Long-term Forecasting with Transformers", ICLR 2023. See
    :class:`darts_tsformers.networks.PatchTST` for the architecture and for where it deviates.

    Recipes (``paper_config``): those of the authors' scripts for 42 patches, at horizon 96, and 24 for illness. On ETTh
    and weather the rate falls by a tenth with each epoch from the fifth on; on ETTm, electricity and traffic it goes
    through one cycle; on illness it is constant. Patience is 10 to 100 of 100 epochs. The model reads no calendar.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSTModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = PatchTSTModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = PatchTST
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {"input_chunk_length": 336, "output_chunk_length": 96, "patch_length": 16, "stride": 8}
        | sizes
        | training
        # PatchTST_supervised/scripts/PatchTST/ of the authors' repository; the rest are defaults of run_longExp.py
        for dataset, (sizes, training) in {
            "ETTh1": (_SMALL, _trained(patience=100, schedule=SLOW)),
            "ETTh2": (_SMALL, _trained(patience=100, schedule=SLOW)),
            "ETTm1": (_LARGE, _trained(patience=20, schedule=one_cycle(0.4))),
            "ETTm2": (_LARGE, _trained(patience=20, schedule=one_cycle(0.4))),
            "weather": (_LARGE, _trained(patience=20, schedule=SLOW)),
            "illness": (
                _SMALL | {"input_chunk_length": 104, "output_chunk_length": 24, "patch_length": 24, "stride": 2},
                _trained(2.5e-3, batch=16, patience=100, schedule=None),
            ),
            "electricity": (_LARGE, _trained(batch=32, patience=10, schedule=one_cycle(0.2))),
            "traffic": (_LARGE, _trained(batch=24, patience=10, schedule=one_cycle(0.2))),
        }.items()
    }
    tiny: ClassVar[dict[str, Any]] = {
        "patch_length": 3,
        "stride": 2,
        "d_model": 8,
        "n_heads": 2,
        "n_encoder_layers": 2,
        "d_ff": 11,
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        activation: str = "gelu",
        norm: str = "batch",
        attention: AttentionLike = "full",
        residual_attention: bool = True,
        individual_head: bool = False,
        decomposition_kernel: int | None = None,
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

    @classmethod
    def starting_sizes(cls, lookback: int, season: int, n_windows: int) -> dict[str, Any]:
        """Return keyword arguments to start from on a series."""
        patch_length = min(max(lookback // 3, 1), 24)
        own = {
            "d_model": 32,
            "d_ff": 64,
            "n_encoder_layers": 2,
            "patch_length": patch_length,
            "stride": max(min(patch_length // 2, lookback // 12), 1),
        }
        return super().starting_sizes(lookback, season, n_windows) | own
