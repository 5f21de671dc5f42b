"""MambaMixer for time series (TSM2) as a Darts model."""

from typing import Any, ClassVar, Unpack

from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import trained
from darts_tsformers.networks.mambamixer import MambaMixer


class MambaMixerModel(TSFormerModel):
    """MambaMixer (TSM2): patches as tokens, Mamba over time and across variates in turn.

    For related components with a long look-back, at a cost that grows with both and with the square of neither. The
    order of the components matters, unless it is left to the window (``variate_order="correlation"``).

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts.

    Behrouz, Santacatterina and Zabih, "MambaMixer: Efficient Selective State Space Models with Dual Token and Channel
    Selection", 2024. See :class:`darts_tsformers.networks.MambaMixer` for the architecture and for where it deviates.

    Recipes (``paper_config``): neither code nor sizes of the authors are public. Look-back and horizon are the paper's;
    sizes, rate, weight decay and schedule are those of a replication, ``n8thantran/mambamixer-replication``, that came
    to 1.03 times the errors of the paper; the number of epochs, their patience and the size of a batch are ours.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import MambaMixerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(400) / 4).reshape(200, 2).astype(np.float32))
    >>> model = MambaMixerModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> model.fit(series, verbose=False).predict(12, verbose=False).n_components
    2
    """

    network_class = MambaMixer
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": 512,
            "output_chunk_length": 96,
            "patch_length": 16,
            "stride": 8,
            "d_model": 32,
            "n_encoder_layers": 2,
            "d_state": 16,
            "d_conv": 4,
            "expand": 2,
            "residual": True,
        }
        | trained(1e-4, batch=32, epochs=10, patience=3, schedule=(CosineAnnealingLR, {"T_max": 10}))
        | {"optimizer_cls": AdamW, "optimizer_kwargs": {"lr": 1e-4, "weight_decay": 0.01}}
        for dataset in ("ETTh1", "ETTh2", "ETTm1", "ETTm2", "weather", "exchange", "electricity", "traffic")
    }
    tiny: ClassVar[dict[str, Any]] = {
        "patch_length": 3,
        "stride": 2,
        "d_model": 8,
        "n_encoder_layers": 2,
        "d_state": 3,
        "expand": 1,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "residual": {"residual": True, "variate_order": "correlation", "pad_end": False}
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
        n_encoder_layers: int = 2,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dropout: float = 0.1,
        residual: bool = False,
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
        patch_length = min(max(lookback // 3, 1), 24)
        stride = max(min(patch_length // 2, lookback // 12), 1)
        own = {"d_model": 32, "patch_length": patch_length, "stride": stride}
        return super().starting_sizes(lookback, season, n_windows) | own
