"""Time-LLM as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import Schedule, one_cycle, trained
from darts_tsformers.adapter.schedules import ConstantThenDecay
from darts_tsformers.networks.time_llm import TimeLLM

_HALVED_AT_ONCE: Schedule = (ConstantThenDecay, {"gamma": 0.5, "n_constant": 1})
_ONE_CYCLE = one_cycle(0.2)
_PUBLISHED: dict[str, Any] = {
    "input_chunk_length": 512,
    "output_chunk_length": 96,
    "backbone": "huggyllama/llama-7b",
    "n_backbone_layers": 32,
    "n_prototypes": 1000,
    "n_heads": 8,
    "dropout": 0.1,
    "head_dropout": 0.1,
}


class TimeLLMModel(TSFormerModel):
    """Time-LLM: a frozen language model reads a prompt and patches that are translated into words.

    Each component is forecast by itself. ``backbone="none"`` takes the language model out: try that first, it costs far
    less and is seldom worse.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts. A language model
    needs ``pip install 'darts_tsformers[llm]'``. ``fit`` reads it; saved files do not hold it.

    Jin et al., "Time-LLM: Time Series Forecasting by Reprogramming Large Language Models", ICLR 2024. See
    :class:`darts_tsformers.networks.TimeLLM` for the architecture and its deviations.

    Recipes (``paper_config``): those of the authors' scripts at horizon 96, for LLaMA with 7 billion weights on eight
    devices with 24 windows each. The scripts name a learning rate of 0.01, but train with a 25th of it, halved after
    each epoch; so do the recipes. Only ETTm1 uses the one-cycle schedule. Patience is 10. ``description`` is yours to
    set: the authors' code describes every data set as ETT.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import TimeLLMModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = TimeLLMModel(48, 12, backbone="none", n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = TimeLLM
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: _PUBLISHED
        | {"d_model": d_model, "d_ff": d_ff}
        | trained(rate, batch=8 * batch, epochs=epochs, patience=10, schedule=schedule)
        # scripts/ of the authors' repository, horizon 96; the rest are defaults of run_main.py
        for dataset, (d_model, d_ff, rate, batch, epochs, schedule) in {
            "ETTh1": (32, 128, 4e-4, 24, 100, _HALVED_AT_ONCE),
            "ETTh2": (32, 128, 4e-4, 24, 10, _HALVED_AT_ONCE),
            "ETTm1": (32, 128, 1e-3, 24, 100, _ONE_CYCLE),
            "ETTm2": (32, 128, 4e-4, 16, 10, _HALVED_AT_ONCE),
            "weather": (32, 32, 4e-4, 24, 10, _HALVED_AT_ONCE),
            "electricity": (16, 32, 4e-4, 24, 10, _HALVED_AT_ONCE),
            "traffic": (16, 32, 4e-4, 24, 10, _HALVED_AT_ONCE),
        }.items()
    }
    tiny: ClassVar[dict[str, Any]] = {
        "backbone": "none",
        "n_prototypes": 7,
        "patch_length": 3,
        "stride": 2,
        "d_model": 8,
        "n_heads": 2,
        "d_ff": 5,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "random": {
            "backbone": "random",
            "backbone_sizes": {"d_model": 8, "n_layers": 1, "n_heads": 2},
            "n_backbone_layers": 1,
        }
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = 6,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
        prompt: str = "statistics",
        description: str | None = None,
        n_prototypes: int = 100,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 16,
        n_heads: int = 8,
        d_ff: int = 32,
        dropout: float = 0.1,
        head_dropout: float = 0.0,
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
        patch_length = min(max(lookback // 3, 1), 24)
        own = {
            "backbone": "none",
            "d_model": 16,
            "n_heads": 8,
            "d_ff": 32,
            "patch_length": patch_length,
            "stride": max(min(patch_length // 2, lookback // 12), 1),
        }
        return super().starting_sizes(lookback, season, n_windows) | own
