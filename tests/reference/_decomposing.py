"""Weights of the two decomposing networks of neuralforecast, which differ in their attentions, under our names."""

import torch
from torch import Tensor

from darts_tsformers.window import Window
from tests.reference._golden import Golden

NAMES = {
    "enc_embedding.": "encoder_embedding.",
    "dec_embedding.": "decoder_embedding.",
    "value_embedding.tokenConv.": "values.linear.",
    "temporal_embedding.embed.": "known.",
    "encoder.attn_layers.": "encoder_layers.",
    "encoder.norm.layernorm.": "encoder_norm.norm.",
    "decoder.layers.": "decoder_layers.",
    "decoder.norm.layernorm.": "decoder_norm.norm.",
    "decoder.projection.": "head.",
    ".projection.": ".trend.linear.",
    ".conv1.": ".feed_forward.0.",
    ".conv2.": ".feed_forward.3.",
    ".out_projection.": ".project_out.",
}


def renamed(theirs: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """Map all weights but those of an attention.

    Convolutions order weights by feature and then by step, ours by step first. Their embeddings have no bias, and the
    bias of a normalisation that takes the mean out has no effect: we have none.
    """
    ours = {}
    for name, weight in theirs.items():
        for before, after in names.items():
            name = name.replace(before, after)
        ours[name] = weight.mT.flatten(1) if weight.ndim == 3 else weight
    for name in [name for name in ours if name.endswith("_norm.norm.bias") or "loss." in name]:
        del ours[name]
    for name in [name for name in ours if name.endswith("values.linear.weight")]:
        ours[name.replace("weight", "bias")] = torch.zeros(ours[name].shape[0])
    return ours


def joined(ours: dict[str, Tensor], parts: list[str], whole: str) -> dict[str, Tensor]:
    """Put projections that stand side by side in all attentions on top of each other."""
    joined = dict(ours)
    for name in [name for name in ours if parts[0] in name]:
        joined[name.replace(parts[0], whole)] = torch.cat([joined.pop(name.replace(parts[0], part)) for part in parts])
    return joined


def window(golden: Golden) -> Window:
    if golden.known is None:
        return Window(golden.x)
    length = golden.x.shape[1]
    return Window(golden.x, historic_future=golden.known[:, :length], future=golden.known[:, length:])
