"""PatchTST under the weights of two other implementations."""

import torch
from torch import Tensor

from darts_tsformers.networks import Forecaster, PatchTST
from darts_tsformers.window import Sizes, Window
from tests.reference._golden import Golden, load

NETWORK_SETTINGS = (
    "patch_length",
    "stride",
    "pad_end",
    "d_model",
    "n_heads",
    "n_encoder_layers",
    "d_ff",
    "residual_attention",
    "individual_head",
    "activation",
    "norm",
)

NEURALFORECAST_NAMES = {
    "revin_layer.affine_": "instance_norm.",
    "backbone.W_P.": "network.backbone.embedding.",
    "backbone.W_pos": "network.backbone.position",
    "backbone.encoder.": "network.backbone.encoder.",
    ".self_attn.to_out.0.": ".attention.project_out.",
    ".norm_attn.1.": ".attention_norm.norm.",
    ".norm_ffn.1.": ".feed_forward_norm.norm.",
    ".ff.": ".feed_forward.",
}
TRANSFORMERS_NAMES = {
    "model.encoder.embedder.input_embedding.": "network.backbone.embedding.",
    "model.encoder.positional_encoder.position_enc": "network.backbone.position",
    "model.encoder.layers.": "network.backbone.encoder.layers.",
    ".self_attn.out_proj.": ".attention.project_out.",
    ".norm_sublayer1.batchnorm.": ".attention_norm.norm.",
    ".norm_sublayer3.batchnorm.": ".feed_forward_norm.norm.",
    ".norm_sublayer1.": ".attention_norm.",
    ".norm_sublayer3.": ".feed_forward_norm.",
    ".ff.": ".feed_forward.",
}


def forecaster(golden: Golden) -> Forecaster:
    settings = golden.settings
    sizes = Sizes(settings["input_length"], settings["output_length"], n_targets=settings["n_variates"])
    network = PatchTST(sizes, **{name: settings[name] for name in NETWORK_SETTINGS if name in settings})
    return Forecaster(
        network,
        use_instance_norm=settings["use_instance_norm"],
        instance_norm_affine=settings.get("instance_norm_affine", False),
    ).eval()


def renamed(name: str, names: dict[str, str]) -> str:
    for theirs, ours in names.items():
        name = name.replace(theirs, ours)
    return name


def fuse_projections(weights: dict[str, Tensor], n_layers: int, parts: list[str], attention: str) -> dict[str, Tensor]:
    return {
        f"network.backbone.encoder.layers.{i}.attention.project_in.{kind}": torch.cat(
            [weights.pop(f"{attention.format(i)}.{part}.{kind}") for part in parts]
        )
        for i in range(n_layers)
        for kind in ("weight", "bias")
    }


def from_neuralforecast(golden: Golden) -> dict[str, Tensor]:
    """Map the weights; its heads flatten tokens width first, ours patch first."""
    settings, weights = golden.settings, dict(golden.weights)
    n_layers, n_heads = settings["n_encoder_layers"], settings["n_variates"] if settings["individual_head"] else 1
    for i in range(n_layers):
        scale = weights.pop(f"backbone.encoder.layers.{i}.self_attn.sdp_attn.scale")
        torch.testing.assert_close(scale, torch.tensor((settings["d_model"] / settings["n_heads"]) ** -0.5))
    ours = fuse_projections(weights, n_layers, ["W_Q", "W_K", "W_V"], "backbone.encoder.layers.{}.self_attn")
    heads = [f"head.linears.{c}" for c in range(n_heads)] if settings["individual_head"] else ["head.linear"]
    by_width = torch.stack([weights.pop(f"{head}.weight") for head in heads])
    ours["network.backbone.head.weight"] = by_width.unflatten(-1, (settings["d_model"], -1)).mT.flatten(-2)
    ours["network.backbone.head.bias"] = torch.stack([weights.pop(f"{head}.bias") for head in heads])
    return ours | {renamed(name, NEURALFORECAST_NAMES): weight for name, weight in weights.items()}


def from_transformers(golden: Golden) -> dict[str, Tensor]:
    """Map the weights; its head flattens tokens patch first, as ours does."""
    weights = dict(golden.weights)
    ours = fuse_projections(
        weights,
        golden.settings["n_encoder_layers"],
        ["q_proj", "k_proj", "v_proj"],
        "model.encoder.layers.{}.self_attn",
    )
    for kind in ("weight", "bias"):
        ours[f"network.backbone.head.{kind}"] = weights.pop(f"head.projection.{kind}").unsqueeze(0)
    return ours | {renamed(name, TRANSFORMERS_NAMES): weight for name, weight in weights.items()}


def forecast(golden: Golden, weights: dict[str, Tensor]) -> Tensor:
    model = forecaster(golden)
    load(model, weights)
    return model(Window(golden.x)).squeeze(-1)


OURS = {
    "patchtst-neuralforecast": lambda golden: forecast(golden, from_neuralforecast(golden)),
    "patchtst-transformers": lambda golden: forecast(golden, from_transformers(golden)),
}
