"""AutoTimes as a Darts model."""

from typing import Any, ClassVar, Unpack

from darts import TimeSeries
from torch.optim.lr_scheduler import CosineAnnealingLR

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.published import trained
from darts_tsformers.adapter.text_marks import text_marks
from darts_tsformers.checks import require_at_least
from darts_tsformers.language import language_model
from darts_tsformers.networks.autotimes import AutoTimes

_OF_THE_LANGUAGE_MODEL = ("backbone", "hub_model_revision", "architecture", "backbone_sizes", "n_backbone_layers")


class AutoTimesModel(TSFormerModel):
    """AutoTimes: a frozen language model reads segments of a series in place of words, and forecasts the next one.

    Only the small networks before and after the language model are trained. To see whether the language model helps,
    compare with ``backbone="random"`` and ``backbone="none"``. Components do not see each other. Takes past, future and
    static covariates, any number of targets, and every likelihood of Darts.

    The model learns from every segment of the look-back and of the horizon.

    The language model needs ``transformers``: ``pip install 'darts_tsformers[llm]'``. ``fit`` reads it, and ``load``
    reads it again: a saved model holds a digest of the language model. It holds weights only if they were trained, as
    with ``enable_finetuning=True``, or if they are those of ``backbone="random"``.

    Notes
    -----
    Liu et al., "AutoTimes: Autoregressive Time Series Forecasters via Large Language Models", NeurIPS 2024 (arXiv
    2402.02370). ``paper_config`` has the settings of the authors' scripts for LLaMA-7B; its name on the hub is our
    choice. Time stamps are used only if you give them. The scripts forecast 96 to 720 steps, segment by segment. Left
    out are weather, which has another schedule, and half precision. See :class:`darts_tsformers.networks.AutoTimes` for
    the architecture and its deviations.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import AutoTimesModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> tiny = {"backbone": "random", "backbone_sizes": {"d_model": 16, "n_layers": 1, "n_heads": 2}}
    >>> quiet = {"enable_progress_bar": False}
    >>> model = AutoTimesModel(48, 12, patch_length=12, **tiny, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = AutoTimes
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {
            "input_chunk_length": 672,
            "output_chunk_length": 96,
            "patch_length": 96,
            "n_hidden_layers": n_hidden_layers,
            "d_hidden": 1024,
            "activation": activation,
            "marks": "given",
            "backbone": "huggyllama/llama-7b",
        }
        | trained(rate, batch=256, epochs=10, patience=3, schedule=(CosineAnnealingLR, {"T_max": 10, "eta_min": 1e-8}))
        | {"optimizer_kwargs": {"lr": rate, "weight_decay": decay}}
        for dataset, n_hidden_layers, activation, rate, decay in (
            ("ETTh1", 0, "tanh", 5e-4, 0.0),
            ("electricity", 1, "tanh", 1e-3, 1e-5),
            ("traffic", 1, "relu", 1e-4, 1e-5),
        )
    }
    tiny: ClassVar[dict[str, Any]] = {
        "patch_length": 3,
        "d_hidden": 11,
        "backbone": "random",
        "backbone_sizes": {"d_model": 8, "n_layers": 1, "n_heads": 2, "d_ff": 11},
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "llama": {"architecture": "llama", "patch_length": 5, "n_hidden_layers": 2, "lora_rank": 2},
        "none": {"backbone": "none"},
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        patch_length: int = 96,
        n_hidden_layers: int = 1,
        d_hidden: int = 256,
        dropout: float = 0.1,
        activation: str = "tanh",
        marks: str = "mapped",
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
        """Return keyword arguments to start from on a series."""
        own = {"patch_length": next((length for length in (96, 48, 24, 12) if 3 * length <= lookback), 4)}
        return super().starting_sizes(lookback, season, n_windows) | own

    @classmethod
    def needs_paths(cls, **arguments: Any) -> bool:  # noqa: ARG003 - all models share one signature
        """Return True: a segment is forecast from the one before."""
        return True

    def time_marks(self, series: TimeSeries, n: int) -> TimeSeries:
        """Return time stamps of segments as vectors of the language model: future covariates for ``marks="given"``.

        The language model reads a sentence with the start and the end of the segment that begins at a step; its last
        state is the vector of that step. This is as in the paper, with words of our own.

        Parameters
        ----------
        series
            The series with the time index.
        n
            Steps to forecast after its end.

        Raises
        ------
        ValueError
            If there is no language model, or ``n`` is not an integer of at least 0.
        """
        require_at_least(0, n=n)
        arguments = {name: self._network_params[name] for name in _OF_THE_LANGUAGE_MODEL}
        language = language_model(**arguments)
        if language is None:
            raise ValueError("backbone='none' must be a language model to read times")
        return text_marks(language, series, n, self._network_params["patch_length"])
