"""Aaren: attention of one learned query to every prefix, and the layer around it."""

import torch

from darts_tsformers.layers.recurrent.aaren import AarenLayer
from darts_tsformers.recurrence import (
    advance_prefix_attention,
    begin_prefix_attention,
    last_prefix_weights,
    prefix_attention,
)
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights


def run_scan(golden: Golden) -> Ours:
    """Take the averages from the form for whole sequences, the states after each step from the one step by step."""
    scores, values = golden.inputs["scores"], golden.inputs["values"]
    states = [begin_prefix_attention(scores[..., :1], values[..., :1, :])[1]]
    for t in range(1, scores.shape[-1]):
        states.append(advance_prefix_attention(scores[..., t], values[..., t, :], states[-1])[1])
    m, u, w = (torch.stack(parts, dim=2) for parts in zip(*states, strict=True))
    return Ours(
        {"o": prefix_attention(scores, values), "m": m, "u": u, "w": w, "last_weights": last_prefix_weights(scores)}
    )


SCAN = Mapping(systems=("Aaren prefix scan",), run=run_scan)


NAMES = {
    "self_attn.in_proj_": "attention.project_in.",
    "self_attn.out_proj.": "attention.project_out.",
    "linear1.": "feed_forward.0.",
    "linear2.": "feed_forward.3.",
    "norm1.": "attention_norm.",
    "norm2.": "feed_forward_norm.",
    "query": "attention.query",
}


def run_layer(golden: Golden) -> Ours:
    meta = golden.meta
    layer = AarenLayer(meta["d"], meta["heads"], meta["ffn"], activation=meta["activation"])
    with_weights(layer, renamed(golden.params, NAMES))
    x = golden.inputs["x"]
    return Ours({"attention": layer.attention(x), "y": layer(x)})


LAYER = Mapping(systems=("Aaren encoder layer (post-norm)",), run=run_layer)
