"""AutoTCL: its parts, composed as the authors' code does, with its faults."""

import torch
from torch import Tensor

from darts_tsformers.layers.contrastive.augmentation import Augmenter, hard_concrete
from darts_tsformers.layers.contrastive.dilated import DilatedEncoder
from darts_tsformers.layers.contrastive.losses import (
    differences,
    excess,
    info_nce,
    local_info_nce,
    mean_discrepancy,
)
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights

NAMES = {
    "input_fc.": "embedding.",
    "feature_extractor.net.": "blocks.",
    "conv1.conv.": "first.",
    "conv2.conv.": "second.",
    "projector.weight": "project.weight",
    "projector.bias": "project.bias",
    "tfd.": "scales.scales.",
}
AUGMENTER = {"augsharenet/": "encoder/", "factor/0.": "odds.", "projector/0.": "scale."}


def run(golden: Golden) -> Ours:
    meta, x = golden.meta["config"], golden.inputs["x"]
    encoder, augmenter = encoder_of(golden), augmenter_of(golden)
    log_odds, scale = augmenter.factors(x)
    kept = log_odds.sigmoid()
    shape = {"stretch": meta["gamma"], "margin": meta["bias"]}
    soft = hard_concrete(kept, golden.inputs["uniform"], hard=False, **shape)  # the probability in place of the odds
    view = hard_concrete(kept, golden.inputs["uniform"], hard=meta["hard"], **shape) * scale * x
    tcn_x, tcn_v = (encoder.features(each).mT for each in (x, view))
    repr_x, repr_v = encoder(x), encoder(view.detach())
    discrepancy = mean_discrepancy(tcn_x, tcn_v)
    regular, reg = consistency(golden, kept), excess(kept.sum(dim=-1), 0.4)  # the sum of the channels
    aug_loss = discrepancy + meta["reg_weight"] * reg + meta["regular_weight"] * regular
    contrast = info_nce(repr_x, repr_v)
    local = local_info_nce(repr_x[:1], start=meta["start"])  # of the first sample alone
    encoder_loss = contrast + meta["local_weight"] * local
    return Ours(
        {
            "h": kept,
            "g": scale,
            "view": view,
            "tcn_x": tcn_x,
            "tcn_v": tcn_v,
            "mask_soft": soft,
            "mask_eval": hard_concrete(kept, None, hard=False, **shape),
            "mmd": discrepancy,
            "consistency": regular,
            "reg": reg,
            "aug_loss": aug_loss,
            "repr_x": repr_x,
            "repr_v": repr_v,
            "global_infonce": contrast,
            "local_infonce": local,
            "encoder_loss": encoder_loss,
            "infonce_t0.5": info_nce(repr_x, repr_v, temperature=0.5),
            "encode_full": repr_x,
            "causal_encode": sliding(encoder, x, meta["sliding_padding"]),
        },
        {"aug": aug_loss, "enc": encoder_loss},
    )


def encoder_of(golden: Golden) -> DilatedEncoder:
    meta = golden.meta["config"]
    return with_weights(
        DilatedEncoder(
            meta["C"],
            d_hidden=meta["enc_hidden"],
            d_model=meta["repr"],
            n_blocks=meta["enc_depth"] + 1,
            kernels=meta["kernels"],
            causal=False,
        ),
        renamed(below(golden, "net/"), NAMES),
    )


def augmenter_of(golden: Golden) -> Augmenter:
    meta = golden.meta["config"]
    weights = {name: w for name, w in golden.params.items() if not name.startswith("net/")}
    augmenter = Augmenter(
        meta["C"],
        d_hidden=meta["hidden"],
        d_model=meta["aug_dim"],
        n_blocks=meta["aug_depth"] + 1,
        kernels=meta["kernels"],
    )
    ours = renamed(weights, AUGMENTER)
    return with_weights(augmenter, {name.replace("/", "."): w for name, w in renamed(ours, NAMES).items()})


def below(golden: Golden, start: str) -> dict[str, Tensor]:
    """Return the weights whose names begin so, by what follows."""
    return {name.removeprefix(start): w for name, w in golden.params.items() if name.startswith(start)}


def consistency(golden: Golden, kept: Tensor) -> Tensor:
    """Compare the same steps of all samples, which are to be like those far behind them and unlike all others."""
    centres, others = (golden.inputs[name].expand(len(kept), -1) for name in ("select0", "select1"))
    near, far = differences(kept, centres, others)
    return (near + torch.where((others - centres > 1)[..., None], far, 1 - far)).mean()


def sliding(encoder: DilatedEncoder, x: Tensor, padding: int) -> Tensor:
    """Return the last step of each window of ``padding + 1`` steps."""
    with torch.no_grad():
        windows = x.unfold(1, padding + 1, 1).mT
        return torch.stack([encoder.last(window) for window in windows.unbind(1)], dim=1)


AUTOTCL = Mapping(systems=("AutoTCL",), run=run, tolerances={"f32/causal_encode": 1e-4})
