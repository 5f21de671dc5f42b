"""TimeCMA as a Darts model."""

from typing import Any, ClassVar, Unpack

from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import trained
from darts_tsformers.networks.timecma import TimeCMA


class TimeCMAModel(TSFormerModel):
    """TimeCMA: each variate is one token, aligned with the state of a frozen language model that reads its values.

    Needs ``pip install 'darts_tsformers[llm]'`` and a language model, by default GPT-2 from the Hugging Face hub, which
    ``fit`` reads. ``backbone="none"`` takes it out, and ``backbone="random"`` takes an untrained one: compare with both
    before you rely on the language model.

    Notes
    -----
    Takes past, future and static covariates, any number of targets, and every likelihood of Darts. With a language
    model it is tied to the number of components that it was trained on, and cannot be exported to ONNX.

    Liu et al., "TimeCMA: Towards LLM-Empowered Multivariate Time Series Forecasting via Cross-Modality Alignment", AAAI
    2025. See :class:`darts_tsformers.networks.TimeCMA` for the architecture and its deviations.

    The language model reads the prompts of each window once, in the first epoch; its states are then kept. A learnt
    normalisation changes the prompts with each step: with ``use_reversible_instance_norm``, every epoch takes as long
    as the first.

    Recipes (``paper_config``): those of the authors' scripts at horizon 96, with the authors' defaults where a script
    says nothing. Two habits of the authors are left out: they never stop in the first half of the epochs, and from the
    eleventh epoch on they keep the weights that are best on the test set.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import TimeCMAModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(400) / 4).reshape(200, 2).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = TimeCMAModel(48, 12, backbone="none", n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> model.fit(series, verbose=False).predict(12, verbose=False).n_components
    2
    """

    network_class = TimeCMA
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": lookback,
            "output_chunk_length": horizon,
            "d_model": d_model,
            "n_heads": 8,
            "n_encoder_layers": n_encoder_layers,
            "n_decoder_layers": n_decoder_layers,
            "d_ff": 2048,
            "dropout": dropout,
            "backbone": "openai-community/gpt2",
        }
        | trained(
            rate,
            batch=batch,
            epochs=epochs,
            patience=50,
            schedule=(CosineAnnealingLR, {"T_max": min(epochs, 50), "eta_min": 1e-6}),
            gradient_clip_val=5.0,
        )
        | {"optimizer_cls": AdamW, "optimizer_kwargs": {"lr": rate, "weight_decay": 1e-3}}
        # scripts of the authors' repository
        for dataset, (lookback, horizon, d_model, n_encoder_layers, n_decoder_layers, dropout, rate, batch, epochs) in {
            "ETTh1": (96, 96, 64, 1, 2, 0.7, 1e-4, 16, 100),
            "ETTh2": (96, 96, 64, 2, 2, 0.3, 1e-4, 16, 100),
            "ETTm1": (96, 96, 64, 2, 2, 0.5, 1e-4, 16, 100),
            "ETTm2": (96, 96, 64, 2, 2, 0.3, 1e-4, 16, 100),
            "weather": (96, 96, 64, 6, 2, 0.1, 1e-3, 32, 20),
            "electricity": (96, 96, 128, 3, 6, 0.3, 1e-3, 8, 50),
            "illness": (36, 24, 16, 1, 1, 0.1, 1e-4, 16, 100),
        }.items()
    }
    tiny: ClassVar[dict[str, Any]] = {
        "d_model": 8,
        "n_heads": 2,
        "n_decoder_layers": 1,
        "d_ff": 11,
        "backbone": "none",
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "random": {
            "d_ff_alignment": 7,
            "backbone": "random",
            "backbone_sizes": {"d_model": 8, "n_layers": 1, "n_heads": 2},
            "description": "One value a day.",
        }
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        d_model: int = 64,
        n_heads: int = 8,
        n_encoder_layers: int = 1,
        n_decoder_layers: int = 2,
        d_ff: int = 256,
        d_ff_alignment: int = 32,
        dropout: float = 0.1,
        activation: str = "relu",
        faithful: bool = False,
        backbone: str = "openai-community/gpt2",
        hub_model_revision: str | None = None,
        architecture: str = "gpt2",
        backbone_sizes: dict[str, Any] | None = None,
        n_backbone_layers: int | None = None,
        lora_rank: int | None = None,
        backbone_precision: str | None = None,
        description: str | None = None,
        prompt_decimals: int = 1,
        n_kept_prompts: int = 100_000,
        use_instance_norm: bool = True,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        categorical_embedding_sizes: dict[str, int | tuple[int, int]] | None = None,
        recompute: bool = False,
        **kwargs: Unpack[DartsArguments],
    ) -> None:
        super().__init__()
