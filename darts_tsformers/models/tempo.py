"""TEMPO as a Darts model."""

from typing import Any, ClassVar, Unpack

from torch.optim.lr_scheduler import CosineAnnealingLR

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.decomposing import DecomposingModel
from darts_tsformers.adapter.published import trained
from darts_tsformers.networks.tempo import TEMPO

_RANDOM: dict[str, Any] = {
    "backbone": "random",
    "backbone_sizes": {"d_model": 8, "n_layers": 1, "n_heads": 2},
}


class TEMPOModel(DecomposingModel):
    """TEMPO: a language model reads trend, season and rest of a series, each after a prompt; the forecasts add up.

    For seasonal series whose parts you want to see. Measure whether the language model helps: ``backbone="none"`` takes
    it out, leaves the rest as it is, and trains in a fraction of the time.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts. ``decompose`` gives
    the trend of a forecast, and season and rest as one. Needs ``pip install 'darts_tsformers[llm]'`` unless
    ``backbone="none"``.

    Cao et al., "TEMPO: Prompt-based Generative Pre-trained Transformer for Time Series Forecasting", ICLR 2024. See
    :class:`darts_tsformers.networks.TEMPO` for the architecture and its deviations.

    Recipes (``paper_config``): those of the authors' scripts at horizon 96, with the season that the authors decompose
    by. The learning rate follows a cosine, patience is 5. The authors train on the columns of several data sets at
    once, each column a series, and test on another set. The recipes leave out the scale and bias that they learn for
    all columns together.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import TEMPOModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> small = {"backbone": "random", "backbone_sizes": {"d_model": 16, "n_layers": 1, "n_heads": 2}, "period": 24}
    >>> quiet = {"enable_progress_bar": False}
    >>> model = TEMPOModel(48, 12, **small, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> trend, seasonal = model.fit(series, verbose=False).decompose()
    >>> len(trend), len(seasonal)
    (12, 12)
    """

    network_class = TEMPO
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": 336,
            "output_chunk_length": 96,
            "backbone": "openai-community/gpt2",
            "n_backbone_layers": n_layers,
            "lora_rank": 16,
            "prompt": "text",
            "patch_length": 16,
            "stride": 8,
            "kernel_size": 25,
            "period": period,
            "decomposition_weight": weight,
            "dropout": 0.0,
        }
        | trained(
            1e-3,
            batch=batch,
            epochs=10,
            patience=5,
            schedule=(CosineAnnealingLR, {"T_max": 20, "eta_min": 1e-8}),
        )
        # scripts/ of the authors' repository
        for dataset, (period, n_layers, weight, batch) in {
            "ETTh1": (24, 6, 0.001, 256),
            "ETTh2": (24, 6, 0.001, 256),
            "ETTm1": (96, 6, 0.01, 128),
            "ETTm2": (96, 3, 0.001, 256),
            "weather": (144, 6, 0.001, 256),
            "electricity": (24, 6, 0.001, 256),
            "traffic": (24, 3, 0.001, 256),
        }.items()
    }
    tiny: ClassVar[dict[str, Any]] = {
        "backbone": "none",
        "backbone_sizes": {"d_model": 8},
        "patch_length": 3,
        "stride": 2,
        "kernel_size": 5,
        "period": 2,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "text": _RANDOM,
        "pool": _RANDOM
        | {
            "prompt": "pool",
            "n_prompts": 5,
            "prompt_length": 2,
            "top_k": 2,
            "lora_rank": 2,
            "head_reads_prompts": True,
        },
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        prompt: str = "text",
        n_prompts: int = 30,
        prompt_length: int = 3,
        top_k: int = 3,
        key_weight: float = 0.1,
        head_reads_prompts: bool = False,
        patch_length: int | None = None,
        stride: int = 8,
        kernel_size: int = 25,
        period: int | None = None,
        decomposition_weight: float = 0.01,
        dropout: float = 0.1,
        faithful: bool = False,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = None,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
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
        """Return keyword arguments to start from on a series: without a language model."""
        patch_length = min(max(lookback // 3, 1), 16)
        own = {
            "backbone": "none",
            "backbone_sizes": {"d_model": 32},
            "patch_length": patch_length,
            "stride": max(patch_length // 2, 1),
            "kernel_size": season if season > 1 else 25,
            "period": season if 2 <= season <= lookback // 2 else None,
        }
        return super().starting_sizes(lookback, season, n_windows) | own
