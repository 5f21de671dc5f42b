"""Linformer: the mechanism between the projections of a layer."""

import torch.nn.functional as F
from einops import rearrange

from darts_tsformers.attention import HeadSizes, LinformerAttention, build_attention
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights


def run(golden: Golden) -> Ours:
    meta, x, weights = golden.meta, golden.inputs["x"], golden.params
    n_heads, shared = meta["heads"], bool(meta["share_kv"])
    to_values = weights["to_k.weight" if shared else "to_v.weight"]
    q = rearrange(F.linear(x, weights["to_q.weight"]), "B L (h e) -> B h L e", h=n_heads)
    k, v = (
        rearrange(F.linear(x, weight), "B L (h e) -> B h L e", e=q.shape[-1]).expand_as(q)
        for weight in (weights["to_k.weight"], to_values)
    )
    mechanism = build_attention(
        LinformerAttention(meta["k"], shared=shared),
        HeadSizes(n_heads, q.shape[-1], n_queries=meta["max_length"], n_keys=meta["max_length"]),
    )
    mixing = {"mix_keys": weights["proj_k"]} | ({} if shared else {"mix_values": weights["proj_v"]})
    with_weights(mechanism, mixing)
    out = rearrange(mechanism(q, k, v)[0], "B h L e -> B L (h e)")
    return Ours({"y": F.linear(out, weights["to_out.weight"], weights["to_out.bias"])})


LINFORMER = Mapping(systems=("Linformer self-attention (layer)",), run=run)
