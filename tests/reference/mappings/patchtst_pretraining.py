"""PatchTST on its way from masked pre-training to forecasts: the guesses, the transfer and the linear probe."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darts_tsformers.networks import PatchTST
from darts_tsformers.pretraining import Masked
from darts_tsformers.pretraining.masked import hidden_of
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.instance_norm import InstanceNorm, Statistics
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
    """Guess masked patches, then predict with the statistics of batch norm after a step of training."""
    window, statistics, used = window_of(golden)
    pretrained = pretraining(golden, window, used)
    head = {f"finetune:{name}": weight.requires_grad_() for name, weight in golden.part(HEAD).items()}
    trained = with_weights(network_of(golden, used), our_weights(golden, golden.params | golden.part(STATISTICS)))
    training = with_weights(network_of(golden, used), our_weights(golden, golden.params)).train()
    raw = trained(window).squeeze(-1)
    forecast = training(window).squeeze(-1) * statistics.spread + statistics.level
    loss = F.mse_loss(forecast, golden.inputs["y"])
    outputs = {
        "patches": trained.backbone.patching(window.target.mT).transpose(1, 2),
        "predict_normed": raw,
        "predict": raw * statistics.spread + statistics.level,
        "finetune_loss_train_frozen": loss,
    }
    return Ours(pretrained | outputs, {"": pretrained["pretrain_loss_train"], "finetune": loss}, leaves=head)


def window_of(golden: Golden) -> tuple[Window, Statistics, int]:
    """Return the window as the network sees it: the oldest steps are left out."""
    config = golden.meta["config"]
    used = (golden.meta["num_patch"] - 1) * config["stride"] + config["patch_len"]
    normalised, statistics = InstanceNorm(epsilon=1e-5)(golden.inputs["x"])
    return Window(normalised[:, -used:]), statistics, used


def pretraining(golden: Golden, window: Window, used: int) -> dict[str, Tensor]:
    """Guess what the noise of the file hides; in the reference what patches overlap stays seen in the other one."""
    config, scores = golden.meta["config"], golden.inputs["mask_noise"].transpose(1, 2)
    hidden = hidden_of(scores, config["mask_ratio"])
    mask = torch.zeros_like(scores).scatter(-1, hidden, 1.0)
    outputs = {
        "revin": InstanceNorm(epsilon=1e-5)(golden.inputs["x"])[0],
        "mask": mask.transpose(1, 2),
        "ids_restore": scores.argsort(-1).argsort(-1).transpose(1, 2),
    }
    for mode in ("eval", "train"):
        network = with_weights(network_of(golden, used), our_weights(golden, golden.params)).train(mode == "train")
        objective = Masked(network, mask_ratio=config["mask_ratio"])
        head = {name.removeprefix("head.linear."): golden.params[name] for name in golden.params if "head" in name}
        with_weights(objective.head, head)
        patches = network.backbone.patching(window.target.mT)
        seen = window
        if config["stride"] < config["patch_len"]:
            network.backbone.patching = HiddenAlone(network.backbone.patching, mask)
        else:
            seen = objective.hide(window, objective.steps[hidden].flatten(-2), None)
        guesses = objective.guess(network.encode(seen)).squeeze(-1).mT.unflatten(-1, (-1, config["patch_len"]))
        at = hidden[..., None].expand(-1, -1, -1, config["patch_len"])
        outputs |= {
            "x_masked": network.backbone.patching(seen.target.mT).transpose(1, 2),
            f"pretrain_pred_{mode}": guesses.transpose(1, 2),
            f"pretrain_loss_{mode}": F.mse_loss(guesses.gather(2, at), patches.gather(2, at)),
        }
    return outputs


class HiddenAlone(nn.Module):
    """Patches of which some are hidden, and what they overlap is not."""

    def __init__(self, patching: nn.Module, mask: Tensor) -> None:
        super().__init__()
        self.patching, self.mask = patching, mask

    def forward(self, x: Tensor) -> Tensor:
        return self.patching(x) * (1 - self.mask[..., None])


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


PATCHTST = Mapping(systems=("PatchTST masked pre-training",), run=run)
