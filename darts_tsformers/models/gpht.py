"""GPHT as a Darts model."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, Unpack

import torch
from safetensors.torch import save_file
from torch import Tensor

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.checks.fitted import require_fitted
from darts_tsformers.adapter.pretrained import PretrainedModel
from darts_tsformers.adapter.published import HALVED, trained
from darts_tsformers.networks.gpht import GPHT
from darts_tsformers.pretrained import Checkpoint, ConfigMap, KeyMap
from darts_tsformers.pretrained.checkpoint import CONFIG, WEIGHTS

_PROJECTED = ("query", "key", "value")
_BASE: dict[str, Any] = {
    "patch_length": 48,
    "pool_sizes": (8, 4, 2, 1),
    "d_model": 512,
    "n_heads": 8,
    "n_encoder_layers": 3,
    "d_ff": 2048,
}


class GPHTModel(PretrainedModel):
    """GPHT: a hierarchy of causal transformers, coarse to fine, that forecasts patch by patch.

    Forecasts without any training from weights in a folder, is trained further from them, or is trained from the start
    at any size. The components do not look at each other.

    ``GPHTModel.from_pretrained(folder).predict(n, series)`` forecasts any number of steps. The authors have not
    published weights: such a folder is made of what their code has trained, or by ``save_pretrained``.

    Past, future and static covariates are learnt when the model is trained; weights of a folder know of none.

    It learns from every patch of the look-back, and of the horizon.

    Notes
    -----
    Liu et al., "Generative Pretrained Hierarchical Transformer for Time Series Forecasting", KDD 2024 (arXiv
    2402.16516). The authors train one model on many data sets, and then its heads alone on each; a ``paper_config`` is
    how they do the latter, to be used with ``local_dir`` and ``enable_finetuning={"unfreeze": ["*.head.*"]}``. They
    forecast 96 to 720 steps by going on patch after patch. See :class:`darts_tsformers.networks.GPHT` for the
    architecture and for where it deviates.

    Examples
    --------
    A small one, trained from the start:

    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import GPHTModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = GPHTModel.scratch("tiny", 48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = GPHT
    pretrained_part = "hierarchy"
    config_map: ClassVar[ConfigMap] = ConfigMap(
        arguments={
            "GT_d_ff": "d_ff",
            "GT_d_model": "d_model",
            "GT_e_layers": "n_encoder_layers",
            "GT_pooling_rate": "pool_sizes",
            "activation": "activation",
            "n_heads": "n_heads",
            "token_len": "patch_length",
        },
        defaults={"activation": "gelu"},
        fixed={"model_type": "gpht"},
        ignored=("depth", "dropout", "pred_len", "seq_len", "torch_dtype"),
    )
    key_map = KeyMap(
        renames=(
            (r"^encoders\.", "stages."),
            (r"\.patch_embedding\.value_embedding\.", ".embedding."),
            (r"\.forecast_head\.", ".head."),
            (r"\.encoder\.attn_layers\.", ".layers."),
            (r"\.encoder\.norm\.", ".norm."),
            (r"\.attention\.out_projection\.", ".attention.project_out."),
            (r"\.attention\.projections\.", ".attention.project_in."),
            (r"\.conv1\.", ".feed_forward.0."),
            (r"\.conv2\.", ".feed_forward.3."),
            (r"\.norm1\.", ".attention_norm."),
            (r"\.norm2\.", ".feed_forward_norm."),
        ),
        unused=(r".*\.pe",),  # positions, which are computed
    )
    scratch_sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"patch_length": 12, "pool_sizes": (4, 1), "d_model": 32, "n_encoder_layers": 1, "d_ff": 64},
        "small": {"patch_length": 24, "pool_sizes": (8, 4, 2, 1), "d_model": 64, "n_encoder_layers": 2, "d_ff": 128},
        "base": _BASE,
    }
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {
        dataset: {"input_chunk_length": 336, "output_chunk_length": 48, "dropout": dropout}
        | _BASE
        | trained(rate, batch=8 if dataset == "traffic" else 32, epochs=10, patience=3, schedule=HALVED)
        for dataset, rate, dropout in (
            ("ETTh1", 1e-4, 0.0),
            ("ETTh2", 1e-4, 0.0),
            ("ETTm1", 1e-3, 0.0),
            ("ETTm2", 1e-3, 0.0),
            ("electricity", 1e-4, 0.1),
            ("exchange", 1e-5, 0.1),
            ("traffic", 5e-5, 0.0),
            ("weather", 1e-4, 0.1),
        )
    }
    tiny: ClassVar[dict[str, Any]] = {
        "patch_length": 3,
        "pool_sizes": (3, 1),
        "d_model": 8,
        "n_heads": 2,
        "n_encoder_layers": 1,
        "d_ff": 11,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "one_stage": {"patch_length": 5, "pool_sizes": (1,), "n_encoder_layers": 2, "activation": "relu"}
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        patch_length: int = 48,
        pool_sizes: Sequence[int] = (8, 4, 2, 1),
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.1,
        activation: str = "gelu",
        hub_model_name: str | None = None,
        hub_model_revision: str | None = None,
        local_dir: str | None = None,
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
        patch_length = next((length for length in (24, 12) if 3 * length <= lookback), 4)
        pool_sizes = tuple(size for size in (8, 4, 2, 1) if patch_length % size == 0)
        own = {"patch_length": patch_length, "pool_sizes": pool_sizes, "n_encoder_layers": 2}
        return super().starting_sizes(lookback, season, n_windows) | own

    @classmethod
    def needs_paths(cls, **arguments: Any) -> bool:  # noqa: ARG003 - all models share one signature
        """Return True: a patch is forecast from the one before."""
        return True

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        input_chunk_length: int | None = None,
        output_chunk_length: int = 48,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        """Make a model with the weights of a folder, or of a repository on the hub if there is no such folder.

        Parameters
        ----------
        source
            The folder, or the name of the repository.
        input_chunk_length
            Steps looked back on at most; None for ``seq_len`` of ``config.json``, or 336 if it does not say.
        output_chunk_length
            Steps forecast at once after ``fit``.
        *args, **kwargs
            The other arguments of the class.
        """
        if input_chunk_length is None:
            checkpoint = Checkpoint(**cls._where(source), hub_model_revision=kwargs.get("hub_model_revision"))
            input_chunk_length = checkpoint.config().get("seq_len", 336)
        return super().from_pretrained(source, input_chunk_length, output_chunk_length, *args, **kwargs)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors``, which ``from_pretrained`` reads.

        Unlike a model that was saved, they can be read for any horizon and look-back, by default this one. What was
        learnt of covariates and of missing values is left out.

        Parameters
        ----------
        folder
            Where to; made if it is not there.

        Raises
        ------
        ValueError
            If the model is not fitted.
        """
        require_fitted(self)
        arguments = {theirs: self._network_params[ours] for theirs, ours in self.config_map.arguments.items()}
        config = {**self.config_map.fixed, **arguments, "seq_len": self.input_chunk_length}
        weights = self.model.forecaster.network.get_submodule(self.pretrained_part).state_dict()
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
        save_file({name: weight.cpu().contiguous() for name, weight in weights.items()}, Path(folder, WEIGHTS))

    @classmethod
    def architecture(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the network's arguments that the configuration of a checkpoint asks for.

        Raises
        ------
        ValueError
            If it asks for something that the network does not have; the message names it.
        """
        ours = cls.config_map.ours(config)
        rates = ours["pool_sizes"]
        depth = config.get("depth", len(rates))
        if not 1 <= depth <= len(rates):
            raise ValueError(
                f"config.json has depth={depth!r}, which must be 1 to {len(rates)} for GT_pooling_rate={rates}"
            )
        return ours | {"pool_sizes": rates[:depth]}

    @classmethod
    def arranged(cls, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights with one map to queries, keys and values, and with linear maps for convolutions."""
        found: dict[str, Tensor] = {}
        for name, weight in weights.items():
            before, _, last = name.rpartition(".")
            layer, _, part = before.rpartition(".")
            parts = [f"{layer}.{each}_projection.{last}" for each in _PROJECTED]
            if part.removesuffix("_projection") in _PROJECTED and all(each in weights for each in parts):
                found[f"{layer}.projections.{last}"] = torch.cat([weights[each] for each in parts])
            else:
                found[name] = weight.squeeze(-1) if part in ("conv1", "conv2") and weight.ndim == 3 else weight
        return found
