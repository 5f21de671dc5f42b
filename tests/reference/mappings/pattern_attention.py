"""Attention to a pattern of keys: windows, Longformer's windows and global tokens, strides and summaries."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from darts_tsformers.attention import FullAttention, LocalAttention, SparseAttention
from darts_tsformers.attention._tiles import attend_tiles
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours


def run_local(golden: Golden) -> Ours:
    heads = [golden.inputs[name] for name in "qkv"]
    outputs = {}
    for form, whole_blocks in {"exact": False, "block": True}.items():
        attend = LocalAttention(golden.meta["window"], whole_blocks=whole_blocks)
        for way, causal in {"causal": True, "full": False}.items():
            outputs[f"{way}_{form}"] = attend(*heads, causal=causal)[0]
    return Ours(outputs)


LOCAL = Mapping(systems=("Local attention",), run=run_local)


def run_longformer(golden: Golden) -> Ours:
    """Sample by sample: global tokens and padding are of its own."""
    samples = zip(golden.inputs["x"], golden.inputs["is_global"], golden.inputs["is_padding"], strict=True)
    return Ours({"y": torch.cat([longformer(golden, x[None], at.bool(), pad.bool()) for x, at, pad in samples])})


def longformer(golden: Golden, x: Tensor, is_global: Tensor, is_padding: Tensor) -> Tensor:
    def heads(suffix: str) -> list[Tensor]:
        weights = golden.params
        parts = (f"{name}{suffix}" for name in ("query", "key", "value"))
        projected = (F.linear(x, weights[f"{part}.weight"], weights[f"{part}.bias"]) for part in parts)
        return [rearrange(t, "B L (h e) -> B h L e", h=golden.meta["heads"]) for t in projected]

    is_global = is_global & ~is_padding
    at = is_global.nonzero().flatten().tolist()
    window = golden.meta["attention_window"] // 2
    pattern = LocalAttention(window, global_at=at).pattern(x.shape[1], causal=False)

    def seen(row: Tensor, key: Tensor, few: Tensor) -> Tensor:
        hidden = is_padding[key.clamp(0, x.shape[1] - 1)]
        return pattern(row, key, few) & ~hidden | (row == key) & ~few  # a row of padding must see something

    out = attend_tiles(*heads(""), seen, tile=window, before=1, after=1, few=at)
    q, k, v = heads("_global")
    there = (~is_padding).nonzero().flatten()
    of_globals = FullAttention()(q[:, :, at], k[:, :, there], v[:, :, there])[0]
    out = out.index_copy(-2, torch.tensor(at, dtype=torch.long), of_globals) if at else out
    return rearrange(out.masked_fill(is_padding[:, None], 0), "B h L e -> B L (h e)")


LONGFORMER = Mapping(systems=("Longformer self-attention (layer, before the output projection)",), run=run_longformer)
NAMES = {
    ("strided", "near"): "strided_local",
    ("strided", "far"): "strided_column",
    ("strided", "joint"): "strided_union",
    ("fixed", "near"): "fixed_block",
    ("fixed", "far"): "fixed_summary",
    ("fixed", "joint"): "fixed_union",
}


def run_sparse(golden: Golden) -> Ours:
    heads = [golden.inputs[name] for name in "qkv"]
    stride, n_summaries = golden.meta["stride"], golden.meta["c"]
    outputs = {}
    for (pattern, parts), name in NAMES.items():
        attend = SparseAttention(pattern, stride, n_summaries=n_summaries, parts=parts)
        outputs[name] = attend(*heads, causal=True)[0]
    return Ours(outputs)


SPARSE = Mapping(systems=("Sparse Transformer patterns",), run=run_sparse)
