"""Moirai-MoE as a Darts model."""

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.pretrained import PretrainedModel
from darts_tsformers.checks import require_flag
from darts_tsformers.networks.moirai_moe import MoiraiMoE
from darts_tsformers.pretrained import ConfigMap, KeyMap

D_HEAD = 64
"""Width of the heads of published weights."""
MIXTURE: dict[str, Any] = {
    "_target_": "uni2ts.distribution.mixture.MixtureOutput",
    "components": [
        {"_target_": "uni2ts.distribution.student_t.StudentTOutput"},
        {"_target_": "uni2ts.distribution.normal.NormalFixedScaleOutput", "scale": 0.001},
        {"_target_": "uni2ts.distribution.negative_binomial.NegativeBinomialOutput"},
        {"_target_": "uni2ts.distribution.log_normal.LogNormalOutput"},
    ],
}
"""The mixture as a checkpoint names it: compared, never imported."""


class MoiraiMoEModel(PretrainedModel):
    """Moirai-MoE: a decoder with experts over patches of any number of variates, which draws paths.

    Forecasts with published weights without any training, trains them further, or trains from the start at any size.
    Targets and covariates are read jointly. ``predict(n, num_samples=100)`` draws paths, whose quantiles are those of
    the forecast; without ``num_samples`` the forecast is their median. It takes past, future and static covariates;
    past and future ones also before any training.

    ``MoiraiMoEModel.from_pretrained(folder, accept_license=True).predict(n, series)`` forecasts any number of steps.
    Take a look-back of whole patches, which are 16 steps in the published weights.

    It learns the likelihood of each patch of the targets, and is validated by it. A ``likelihood`` or ``loss_fn`` would
    have no part in that, and is refused.

    Notes
    -----
    Liu et al., "Moirai-MoE: Empowering Time Series Foundation Models with Sparse Mixture of Experts", 2024 (arXiv
    2410.10469). Weights: ``Salesforce/moirai-moe-1.0-R-small`` and ``Salesforce/moirai-moe-1.0-R-base`` on the Hugging
    Face hub; read their licence there. See :class:`darts_tsformers.networks.MoiraiMoE` for the architecture and for
    where it deviates.

    Examples
    --------
    A small one, trained from the start:

    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import MoiraiMoEModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = MoiraiMoEModel.scratch("tiny", 48, 12, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> model.fit(series, verbose=False).predict(12, num_samples=20, verbose=False).n_samples
    20
    """

    network_class = MoiraiMoE
    pretrained_part = "decoder"
    knows_covariates = True
    config_map: ClassVar[ConfigMap] = ConfigMap(
        arguments={
            "d_ff": "d_ff",
            "d_model": "d_model",
            "dropout_p": "dropout",
            "max_seq_len": "max_patches",
            "num_layers": "n_decoder_layers",
            "patch_sizes": "patch_lengths",
        },
        defaults={"d_ff": None, "dropout_p": 0.0},
        fixed={"attn_dropout_p": 0.0, "distr_output": MIXTURE, "scaling": True},
    )
    key_map = KeyMap(
        renames=(
            (r"^in_proj\.", "embedding.enter."),
            (r"^res_proj\.", "embedding.skip."),
            (r"^feat_proj\.", "embedding.mix."),
            (r"^param_proj\.proj\.weights_logits\.", "heads.weights."),
            (r"^param_proj\.proj\.components\.0\.df\.", "heads.parameters_of.df."),
            (r"^param_proj\.proj\.components\.0\.(loc|scale)\.", r"heads.parameters_of.t_\1."),
            (r"^param_proj\.proj\.components\.1\.loc\.", "heads.parameters_of.normal_loc."),
            (r"^param_proj\.proj\.components\.2\.(total_count|logits)\.", r"heads.parameters_of.\1."),
            (r"^param_proj\.proj\.components\.3\.(loc|scale)\.", r"heads.parameters_of.log_\1."),
            (r"^encoder\.centroid$", "centroids"),
            (r"^encoder\.", ""),
            (r"\.norm1\.", ".attention_norm."),
            (r"\.norm2\.", ".feed_forward_norm."),
            (r"\.self_attn\.var_attn_bias\.emb\.weight$", ".attention.variate_bias"),
            (r"\.self_attn\.q_(proj|norm)\.", r".attention.query_\1."),
            (r"\.self_attn\.k_(proj|norm)\.", r".attention.key_\1."),
            (r"\.self_attn\.v_proj\.", ".attention.value_proj."),
            (r"\.self_attn\.out_proj\.", ".attention.out_proj."),
            (r"\.(query|key|value|out)_proj\.", r".\1."),
            (r"\.ffn\.", ".feed_forward."),
            (r"\.fc_gate\.", ".gate."),
            (r"\.fc1\.", ".up."),
            (r"\.fc2\.", ".down."),
        )
    )
    scratch_sizes: ClassVar[dict[str, dict[str, Any]]] = {
        "tiny": {"patch_lengths": (8,), "d_model": 32, "n_heads": 4, "n_decoder_layers": 2, "d_ff": 32, "n_experts": 4},
        "small": {"d_model": 128, "n_heads": 4, "n_decoder_layers": 4, "d_ff": 128, "n_experts": 8},
        "base": {"d_model": 384, "n_heads": 6, "n_decoder_layers": 6, "d_ff": 512, "n_experts": 32},
    }
    tiny: ClassVar[dict[str, Any]] = {
        "patch_lengths": (3,),
        "d_model": 8,
        "n_heads": 2,
        "n_decoder_layers": 2,
        "d_ff": 6,
        "n_experts": 3,
        "n_paths": 11,
    }
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {
        "published": {"patch_lengths": (2, 4), "patch_length": 2, "farthest": True, "n_heads": 1}
    }

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        patch_lengths: Sequence[int] = (16,),
        patch_length: int | None = None,
        d_model: int = 64,
        n_heads: int = 4,
        n_decoder_layers: int = 3,
        d_ff: int = 64,
        n_experts: int = 8,
        n_experts_per_token: int = 2,
        farthest: bool = False,
        max_patches: int = 512,
        n_paths: int = 100,
        dropout: float = 0.0,
        hub_model_name: str | None = None,
        hub_model_revision: str | None = None,
        local_dir: str | None = None,
        accept_license: bool = False,
        use_instance_norm: bool = True,
        instance_norm_affine: bool = False,
        train_variates: int | float | None = None,
        min_input_chunk_length: int | None = None,
        use_static_covariates: bool = True,
        categorical_embedding_sizes: dict[str, int | tuple[int, int]] | None = None,
        recompute: bool = False,
        **kwargs: Unpack[DartsArguments],
    ) -> None:
        require_flag(accept_license=accept_license)
        if "loss_fn" in kwargs:
            raise ValueError(f"loss_fn={kwargs['loss_fn']!r} must be left out: MoiraiMoEModel learns by its likelihood")
        if self._checkpoint is not None and not accept_license:
            raise ValueError(
                "accept_license=False must be True to load published weights: read their licence on the hub "
                "(Salesforce/moirai-moe-1.0-R-small); weights of the Moirai family are for non-commercial use"
            )
        super().__init__()

    @classmethod
    def architecture(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the network's arguments that the configuration of a checkpoint asks for.

        Raises
        ------
        ValueError
            If it asks for something that the network does not have; the message names it.
        """
        ours = cls.config_map.ours(config)
        d_model = ours["d_model"]
        if d_model % D_HEAD:
            raise ValueError(f"config.json has d_model={d_model}, which must be a multiple of {D_HEAD}")
        if ours["d_ff"] is None:
            ours["d_ff"] = -(-int(4 * d_model * 2 / 3) // 8) * 8
        ours |= {"dropout": float(ours["dropout"]), "patch_lengths": tuple(ours["patch_lengths"])}
        return ours | {"n_heads": d_model // D_HEAD, "n_experts": 32, "n_experts_per_token": 2, "farthest": True}
