"""Primer: attention after depthwise convolutions, and the feed-forward part with a squared activation.

The heads of the files are wider than the tokens. Ours divide the width, so tokens have zeros beside them, and so have
the weights; where tokens were still wider, there are heads of zeros.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights


def run(golden: Golden) -> Ours:
    meta, params, x = golden.meta, golden.params, golden.inputs["x"]
    d, e = meta["d"], meta["e"]
    heads = max(meta["heads"], -(-d // e))
    width = heads * e

    def padded(weight: Tensor, rows: int, columns: int) -> Tensor:
        return F.pad(weight, (0, columns - weight.shape[1], 0, rows - weight.shape[0]))

    weights = {
        "project_in.weight": torch.cat([padded(params[f"W{part}"], width, width) for part in "qkv"]),
        "project_in.bias": torch.zeros(3 * width),
        "convolve.weight": torch.cat(
            [padded(params[f"conv_{part}"], len(params[f"conv_{part}"]), width) for part in "qkv"], dim=1
        ),
        "project_out.weight": padded(params["Wo"], width, width),
        "project_out.bias": torch.zeros(width),
    }
    outputs = {}
    for way, causal in {"full": False, "causal": True}.items():
        layer = MultiHeadAttention(width, heads, causal=causal, depthwise_size=len(params["conv_q"]))
        with_weights(layer, weights)
        outputs[f"mdha_{way}"] = layer(F.pad(x, (0, width - d)))[0][..., :d]
    feed_forward = FeedForward(d, meta["ffn"], dropout=0.0, activation="squared_relu", bias=False)
    with_weights(feed_forward, {"0.weight": params["W1"], "3.weight": params["W2"]})
    return Ours(outputs | {"ffn": feed_forward(x)})


PRIMER = Mapping(systems=("Primer MDHA and squared-ReLU FFN",), run=run)
