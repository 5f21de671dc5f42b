"""PatchTST on its way from masked pre-training to forecasts: the transfer and the linear probe."""

import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.networks import PatchTST
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.instance_norm import InstanceNorm
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights

NAMES = {
    "backbone.W_P.": "backbone.embedding.",
    "backbone.W_pos": "backbone.position",
    ".self_attn.to_out.0.": ".attention.project_out.",
    ".norm_attn.1.": ".attention_norm.norm.",
    ".norm_ffn.1.": ".feed_forward_norm.norm.",
    ".ff.": ".feed_forward.",
}
HEAD, STATISTICS = "finetune_head/state/", "bn_after_one_train_step/"


def run(golden: Golden) -> Ours:
    """Predict with the statistics of batch norm after a step of training, and take this step's loss."""
    config = golden.meta["config"]
    used = (golden.meta["num_patch"] - 1) * config["stride"] + config["patch_len"]  # the oldest steps are left out
    normalised, statistics = InstanceNorm(epsilon=1e-5)(golden.inputs["x"])
    window = Window(normalised[:, -used:])
    head = {f"finetune:{name}": weight.requires_grad_() for name, weight in golden.part(HEAD).items()}

    trained = with_weights(network_of(golden, used), our_weights(golden, golden.params | golden.part(STATISTICS)))
    training = with_weights(network_of(golden, used), our_weights(golden, golden.params)).train()
    raw = trained(window).squeeze(-1)
    forecast = training(window).squeeze(-1) * statistics.spread + statistics.level
    loss = F.mse_loss(forecast, golden.inputs["y"])
    outputs = {
        "revin": normalised,
        "patches": trained.backbone.patching(window.target.mT).transpose(1, 2),
        "predict_normed": raw,
        "predict": raw * statistics.spread + statistics.level,
        "finetune_loss_train_frozen": loss,
    }
    return Ours(outputs, {"finetune": loss}, leaves=head)


def network_of(golden: Golden, used: int) -> PatchTST:
    config = golden.meta["config"]
    return PatchTST(
        Sizes(used, config["T"], n_targets=config["C"]),
        patch_length=config["patch_len"],
        stride=config["stride"],
        pad_end=False,
        d_model=config["d_model"],
        n_heads=config["n_heads"],
        n_encoder_layers=config["n_layers"],
        d_ff=config["d_ff"],
        dropout=0.0,
        activation=config["act"],
        residual_attention=config["res_attention"],
        individual_head=config.get("individual", False),
    )


def our_weights(golden: Golden, theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join the projections; their head for forecasts flattens tokens width first, ours patch first."""
    config = golden.meta["config"]
    weights = {name: weight for name, weight in theirs.items() if name.startswith("backbone.")}
    ours = {}
    for i in range(config["n_layers"]):
        layer = f"backbone.encoder.layers.{i}"
        weights.pop(f"{layer}.self_attn.sdp_attn.scale")  # of the attention's scores, the usual one
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"{layer}.self_attn.W_{part}.{kind}") for part in "QKV"]
            ours[f"{layer}.attention.project_in.{kind}"] = torch.cat(parts)
    head = golden.part(HEAD)
    by_width = torch.stack([weight for name, weight in head.items() if name.endswith("weight")])
    ours["backbone.head.weight"] = by_width.unflatten(-1, (config["d_model"], -1)).mT.flatten(-2)
    ours["backbone.head.bias"] = torch.stack([bias for name, bias in head.items() if name.endswith("bias")])
    return ours | renamed(weights, NAMES)


PRETRAINING = "masked pre-training is not there yet"
PATCHTST = Mapping(
    systems=("PatchTST masked pre-training",),
    run=run,
    left_out=dict.fromkeys(
        ["out/x_masked", "out/mask", "out/ids_restore", "out/pretrain_*", "grad/backbone.*", "grad/head.*"], PRETRAINING
    ),
)
