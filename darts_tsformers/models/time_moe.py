"""Time-MoE as a Darts model."""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from torch import nn

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.pretrained import PretrainedModel
from darts_tsformers.networks.time_moe import TimeMoE
from darts_tsformers.pretrained import ConfigMap, KeyMap

HUBER_DELTA = 2.0
"""Up to which error the loss of the authors is a square."""


class TimeMoEModel(PretrainedModel):
    """Time-MoE: a decoder over single values with a mixture of experts, trained by its authors on 300 billion of them.

    Forecasts without any training from published weights, is trained further from them, or is trained from the start at
    any size. The components do not look at each other.

    ``TimeMoEModel.from_pretrained(folder).predict(n, series)`` forecasts any number of steps. The weights see windows
    at their own level and spread, the unbiased one, as the authors' README recommends; with ``use_instance_norm=False``
    they see the series as they are, as in the authors' published evaluation: scale them by their training part then.

    Past, future and static covariates are learnt when the model is trained; published weights know of none.

    It learns from every step of look-back and horizon by all heads, and from a penalty on uneven loads of the experts.
    Without a ``loss_fn`` or a ``likelihood`` the loss is that of the authors, Huber's with a delta of 2, here
    standard deviations of the component within the series of the training part, as all losses are measured.

    Notes
    -----
    Shi et al., "Time-MoE: Billion-Scale Time Series Foundation Models with Mixture of Experts", ICLR 2025 (arXiv
    2409.16040). Weights: ``Maple728/TimeMoE-50M`` and ``Maple728/TimeMoE-200M`` on the Hugging Face hub, Apache-2.0 by
    their cards. See :class:`darts_tsformers.networks.TimeMoE` for the architecture and for where it deviates.

    Examples
    --------
    A small one, trained from the start:

    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import TimeMoEModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = TimeMoEModel.scratch("tiny", 48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> len(model.fit(series, verbose=False).predict(12, verbose=False))
    12
    """

    network_class = TimeMoE
    pretrained_part = "decoder"
    config_map: ClassVar[ConfigMap] = ConfigMap(
        arguments={
            "hidden_act": "activation",
            "hidden_size": "d_model",
            "horizon_lengths": "horizon_lengths",
            "intermediate_size": "d_ff",
            "max_position_embeddings": "max_positions",
            "num_attention_heads": "n_heads",
            "num_experts": "n_experts",
            "num_experts_per_tok": "n_experts_per_token",
            "num_hidden_layers": "n_decoder_layers",
            "num_key_value_heads": "n_kv_heads",
            "rms_norm_eps": "norm_epsilon",
            "rope_theta": "rope_theta",
            "router_aux_loss_factor": "balance",
            "use_dense": "dense",
        },
        defaults={
            "hidden_act": "silu",
            "max_position_embeddings": 4096,
            "num_key_value_heads": None,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000,
            "router_aux_loss_factor": 0.02,
            "use_dense": False,
        },
        fixed={"input_size": 1, "model_type": "time_moe", "tie_word_embeddings": False},
        ignored=(
            "_name_or_path",
            "apply_aux_loss",
            "architectures",
            "attention_dropout",
            "auto_map",
            "dtype",
            "initializer_range",
            "torch_dtype",
            "transformers_version",
            "use_cache",
        ),
    )
    key_map = KeyMap(
        renames=(
            (r"^model\.", ""),
            (r"^lm_heads\.(\d+)\.out_layer\.", r"heads.\1."),
            (r"^embed_layer\.emb_layer\.", "embedding.value."),
            (r"^embed_layer\.gate_layer\.", "embedding.gate."),
            (r"\.input_layernorm\.", ".attention_norm."),
            (r"\.post_attention_layernorm\.", ".feed_forward_norm."),
            (r"\.ffn_layer\.gate\.", ".feed_forward.router."),
            (r"\.ffn_layer\.shared_expert\.", ".feed_forward.shared."),
            (r"\.ffn_layer\.shared_expert_gate\.", ".feed_forward.shared_gate."),
            (r"\.ffn_layer\.", ".feed_forward."),
            (r"\.(gate|up|down)_proj\.", r".\1."),
            (r"\.self_attn\.q_proj\.", ".attention.query."),
            (r"\.self_attn\.k_proj\.", ".attention.key."),
            (r"\.self_attn\.v_proj\.", ".attention.value."),
            (r"\.self_attn\.o_proj\.", ".attention.out."),
        )
    )
    scratch_sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"d_model": 32, "n_heads": 4, "n_decoder_layers": 2, "d_ff": 64, "n_experts": 4},
        "small": {"d_model": 128, "n_heads": 4, "n_decoder_layers": 4, "d_ff": 512, "n_experts": 8},
        "base": {"d_model": 384, "n_heads": 12, "n_decoder_layers": 12, "d_ff": 1536, "n_experts": 8},
    }
    tiny: ClassVar[dict[str, Any]] = {
        "horizon_lengths": (1, 4),
        "d_model": 8,
        "n_heads": 2,
        "n_decoder_layers": 2,
        "d_ff": 12,
        "n_experts": 4,
        "n_experts_per_token": 3,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {"dense": {"dense": True, "n_kv_heads": 1}}

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        horizon_lengths: Sequence[int] = (1, 8, 32, 64),
        d_model: int = 64,
        n_heads: int = 4,
        n_kv_heads: int | None = None,
        n_decoder_layers: int = 3,
        d_ff: int = 128,
        n_experts: int = 8,
        n_experts_per_token: int = 2,
        dense: bool = False,
        balance: float = 0.02,
        rope_theta: float = 10000.0,
        norm_epsilon: float = 1e-6,
        max_positions: int = 4096,
        dropout: float = 0.0,
        activation: str = "silu",
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
        if self.model_params.get("loss_fn") is None and self.model_params.get("likelihood") is None:
            self.pl_module_params["loss_fn"] = nn.HuberLoss(delta=HUBER_DELTA)

    @classmethod
    def architecture(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the network's arguments that the configuration of a checkpoint asks for.

        Raises
        ------
        ValueError
            If it asks for something that the network does not have; the message names it.
        """
        ours = cls.config_map.ours(config)
        ours |= {name: float(ours[name]) for name in ("balance", "norm_epsilon", "rope_theta")}
        if config.get("apply_aux_loss", not ours["dense"]) == ours["dense"]:
            raise ValueError(
                f"config.json has apply_aux_loss={ours['dense']}, which must be {not ours['dense']} as "
                f"use_dense={ours['dense']}"
            )
        return ours

    @classmethod
    def needs_paths(cls, **arguments: Any) -> bool:  # noqa: ARG003 - whatever they are
        """Return True: each part of the horizon is forecast from the one before."""
        return True
