"""PatchTSMixer as a Darts model."""

from typing import Any, ClassVar, Unpack

from torch.optim.lr_scheduler import LinearLR

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import Schedule, trained
from darts_tsformers.networks.patchtsmixer import PatchTSMixer

_FALLING: Schedule = (LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 100})


class PatchTSMixerModel(TSFormerModel):
    """PatchTSMixer (IBM's TSMixer): patches mixed by small gated maps instead of attention.

    A light model for long look-backs, cheap to train. The components do not look at each other, unless
    ``mode="mix_channel"`` mixes them in every layer or ``cross_channel_context`` in the forecast. Not the
    ``TSMixerModel`` of Darts, which is another architecture of that name.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts.

    Ekambaram et al., "TSMixer: Lightweight MLP-Mixer Model for Multivariate Time Series Forecasting", KDD 2023. See
    :class:`darts_tsformers.networks.PatchTSMixer` for the architecture and for where it deviates.

    Recipe (``paper_config``): that of the notebook of the authors' code, whose rate falls to zero with each batch; here
    with each epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSMixerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = PatchTSMixerModel(48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = PatchTSMixer
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        # patch_tsmixer_getting_started.ipynb of ibm-granite/granite-tsfm
        "ETTh1": {
            "input_chunk_length": 512,
            "output_chunk_length": 96,
            "patch_length": 8,
            "stride": 8,
            "d_model": 48,
            "expansion_factor": 3,
            "n_layers": 3,
            "dropout": 0.5,
            "head_dropout": 0.7,
        }
        | trained(1e-4, batch=32, epochs=100, patience=5, min_delta=0.001, schedule=_FALLING),
    }
    tiny: ClassVar[dict[str, Any]] = {
        "patch_length": 3,
        "stride": 2,
        "d_model": 8,
        "n_layers": 2,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "mix": {"mode": "mix_channel", "self_attention": True, "n_heads": 2, "positional_encoding": "learned"},
        "reconciled": {"norm": "batch", "positional_encoding": "sincos", "cross_channel_context": 1, "hierarchy": 2},
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        d_model: int = 64,
        expansion_factor: int = 2,
        n_layers: int = 3,
        mode: str = "common_channel",
        gated_attention: bool = True,
        self_attention: bool = False,
        n_heads: int = 4,
        norm: str = "layer",
        positional_encoding: str | None = None,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        cross_channel_context: int | None = None,
        hierarchy: int | None = None,
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
        patch_length = min(max(lookback // 3, 1), 16)
        own = {
            "d_model": 32,
            "n_layers": 2,
            "patch_length": patch_length,
            "stride": max(min(patch_length // 2, lookback // 12), 1),
        }
        return super().starting_sizes(lookback, season, n_windows) | own
