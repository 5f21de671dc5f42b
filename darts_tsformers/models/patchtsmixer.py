"""PatchTSMixer as a Darts model."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self, Unpack

import torch
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.utils.data.torch_datasets.utils import TorchTrainingSample
from torch import Tensor
from torch.optim.lr_scheduler import LinearLR

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.pretrained import PretrainedModel
from darts_tsformers.adapter.published import Schedule, trained
from darts_tsformers.networks.patchtsmixer import PatchTSMixer
from darts_tsformers.pretrained import Checkpoint, ConfigMap, KeyMap

_LENGTHS = {"input_chunk_length": "context_length", "output_chunk_length": "prediction_length"}
_NORMS = {"LayerNorm": "layer", "BatchNorm": "batch"}
_POSITIONS = {"random": "learned", "sincos": "learned"}
_SCALINGS: dict[Any, bool | str] = {"std": True, True: True, "mean": "magnitude", None: False, False: False}
_SPREAD_EPSILON = 1e-5
"""What the class of transformers adds to the variance of a window."""
_QUERY = ".self_attn_layer.q_proj."

_FALLING: Schedule = (LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 100})


class PatchTSMixerModel(PretrainedModel):
    """PatchTSMixer (IBM's TSMixer): patches mixed by small gated maps instead of attention.

    A light model for long look-backs, cheap to train. The components do not look at each other, unless
    ``mode="mix_channel"`` mixes them in every layer or ``cross_channel_context`` in the forecast. Not the
    ``TSMixerModel`` of Darts, which is another architecture of that name.

    ``PatchTSMixerModel.from_pretrained(folder)`` reads what ``PatchTSMixerForPrediction`` of transformers has saved, or
    a repository on the hub that holds it. Look-back, horizon and scaling (``use_instance_norm``) are those of the
    checkpoint then. In ``mode="common_channel"`` it forecasts any number of components.

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
    config_map: ClassVar[ConfigMap] = ConfigMap(
        arguments={
            "d_model": "d_model",
            "expansion_factor": "expansion_factor",
            "gated_attn": "gated_attention",
            "mode": "mode",
            "norm_mlp": "norm",
            "num_layers": "n_layers",
            "patch_length": "patch_length",
            "patch_stride": "stride",
            "positional_encoding_type": "positional_encoding",
            "self_attn": "self_attention",
            "self_attn_heads": "n_heads",
        },
        defaults={
            "gated_attn": True,
            "mode": "common_channel",
            "norm_mlp": "LayerNorm",
            "positional_encoding_type": "sincos",
            "self_attn": False,
            "self_attn_heads": 1,
        },
        fixed={
            "loss": "mse",
            "model_type": "patchtsmixer",
            "norm_eps": 1e-5,
            "patch_last": True,
            "prediction_channel_indices": None,
        },
        ignored=(
            "_name_or_path",
            "architectures",
            "channel_consistent_masking",
            "context_length",
            "distribution_output",
            "dropout",
            "dtype",
            "head_aggregation",
            "head_dropout",
            "init_std",
            "mask_type",
            "mask_value",
            "masked_loss",
            "num_forecast_mask_patches",
            "num_input_channels",
            "num_parallel_samples",
            "num_patches",
            "num_targets",
            "output_range",
            "post_init",
            "prediction_length",
            "random_mask_ratio",
            "scaling",
            "torch_dtype",
            "transformers_version",
            "unmasked_channel_indices",
            "use_positional_encoding",
        ),
    )
    key_map = KeyMap(
        renames=(
            (r"^model\.encoder\.patcher\.", "embedding."),
            (r"^model\.encoder\.positional_encoder\.position_enc$", "position.table"),
            (r"^model\.encoder\.mlp_mixer_encoder\.mixers\.", "mixer.layers."),
            (r"^head\.base_forecast_block\.", "head."),
            (r"\.channel_feature_mixer\.", ".channels."),
            (r"\.patch_mixer\.", ".patches."),
            (r"\.feature_mixer\.", ".features."),
            (r"\.norm_attn\.", ".attention_norm."),
            (r"norm\.norm\.", "norm."),
            (r"norm\.batchnorm\.", "norm.norm."),
            (r"\.mlp\.fc1\.", ".mlp.0."),
            (r"\.mlp\.fc2\.", ".mlp.3."),
            (r"\.gating_block\.attn_layer\.", ".gate.map."),
            (r"\.self_attn_layer\.qkv_proj\.", ".attention.project_in."),
            (r"\.self_attn_layer\.out_proj\.", ".attention.project_out."),
        ),
        added=(r"(covariates|static|future|hierarchy|reconciliation)\..*",),
    )
    scratch_sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"d_model": 16, "n_layers": 2},
        "small": {"d_model": 64, "n_layers": 3},
        "base": {"d_model": 192, "n_layers": 8},
    }
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
        hierarchy_weight: float = 0.0,
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
        if self._checkpoint is not None:
            self._take_from(self._checkpoint.config())
        super().__init__()

    def _take_from(self, config: Mapping[str, Any]) -> None:
        """Take the scaling of a checkpoint, and hold the lengths to its own."""
        for name, length in _lengths(config).items():
            if self.model_params[name] != length:
                raise ValueError(
                    f"{name}={self.model_params[name]!r} must be {_LENGTHS[name]}={length!r} of config.json"
                )
        self.model_params["use_instance_norm"] = _ours(config, "scaling", _SCALINGS, "std")

    def _check(self) -> None:
        super()._check()
        weight, likelihood = self._network_params["hierarchy_weight"], self.model_params.get("likelihood")
        if weight > 0 and likelihood is not None:
            raise ValueError(
                f"hierarchy_weight={weight!r} needs a point forecast: likelihood={likelihood!r} must be None"
            )

    def _create_model(self, train_sample: TorchTrainingSample) -> PLForecastingModule:
        checkpoint = self._checkpoint
        if checkpoint is not None:
            _check_width(checkpoint.config(), train_sample.past_target.shape[-1])
        module = super()._create_model(train_sample)
        if checkpoint is not None and module.forecaster.instance_norm is not None:
            module.forecaster.instance_norm.epsilon.fill_(_SPREAD_EPSILON)
        return module

    def _lengths_at_once(self, n: int) -> dict[str, Any]:
        """Leave the horizon as it is, which weights of a checkpoint are tied to."""
        return super()._lengths_at_once(n) | {"output_chunk_length": self.output_chunk_length}

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        input_chunk_length: int | None = None,
        output_chunk_length: int | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        """Make a model with the weights of a folder, or of a repository on the hub if there is no such folder.

        Parameters
        ----------
        source
            The folder, or the name of the repository.
        input_chunk_length, output_chunk_length
            None for ``context_length`` and ``prediction_length`` of ``config.json``, which they must be equal to.
        *args, **kwargs
            The other arguments of the class.

        Raises
        ------
        ValueError
            If there is no such folder, and the hub has no such names; or if ``config.json`` asks for something that the
            network does not have. The message names it.
        """
        config = Checkpoint(**cls._where(source), hub_model_revision=kwargs.get("hub_model_revision")).config()
        given = {"input_chunk_length": input_chunk_length, "output_chunk_length": output_chunk_length}
        lengths = _lengths(config) | {name: length for name, length in given.items() if length is not None}
        return super().from_pretrained(source, *lengths.values(), *args, **kwargs)

    @classmethod
    def architecture(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the network's arguments that the configuration of a checkpoint asks for.

        Positions are taken from the checkpoint, whatever they are, as learned ones.

        Raises
        ------
        ValueError
            If it asks for something that the network does not have; the message names it.
        """
        ours = cls.config_map.ours(config)
        positions = _ours(config, "positional_encoding_type", _POSITIONS, "sincos")
        return ours | {
            "norm": _ours(config, "norm_mlp", _NORMS, "LayerNorm"),
            "positional_encoding": positions if config.get("use_positional_encoding") else None,
        }

    @classmethod
    def arranged(cls, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights with one map to queries, keys and values, and without gates of a single entry.

        The share of such an entry is always 1.
        """
        found = {
            name: weight for name, weight in weights.items() if not (".gating_block." in name and weight.numel() == 1)
        }
        for name in [name for name in found if _QUERY in name]:
            parts = [name.replace(_QUERY, f".self_attn_layer.{part}_proj.") for part in "qkv"]
            if all(part in found for part in parts):
                joined = torch.cat([found.pop(part) for part in parts])
                found[name.replace(_QUERY, ".self_attn_layer.qkv_proj.")] = joined
        return found

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


def _lengths(config: Mapping[str, Any]) -> dict[str, int]:
    """Return look-back and horizon of a checkpoint, by our names."""
    if missing := sorted(theirs for theirs in _LENGTHS.values() if theirs not in config):
        raise ValueError(f"config.json must have {missing[0]}")
    return {ours: config[theirs] for ours, theirs in _LENGTHS.items()}


def _ours(config: Mapping[str, Any], key: str, known: Mapping[Any, Any], default: Any) -> Any:
    """Return what stands here for a value of a configuration."""
    value = config.get(key, default)
    if value not in list(known):
        raise ValueError(f"config.json has {key}={value!r}, which must be one of {list(known)}")
    return known[value]


def _check_width(config: Mapping[str, Any], n_components: int) -> None:
    """Refuse a series of another width than that of a network that mixes its channels."""
    n_channels = config.get("num_input_channels", 1)
    if config.get("mode") == "mix_channel" and n_components != n_channels:
        raise ValueError(
            f"series has {n_components} components, but must have num_input_channels={n_channels} of config.json, "
            "as it has mode='mix_channel'"
        )
