"""Sinkhorn attention, with the noise of the files, and with a null key and value where ours are zeros."""

import torch

from darts_tsformers.attention.sinkhorn import (
    attend_blocks,
    attend_later_blocks,
    attend_the_past,
    choose_blocks,
    compare_blocks,
    sort_blocks,
)
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours


def run(golden: Golden) -> Ours:
    meta, inputs = golden.meta, golden.inputs
    size, n_top = meta["block"], meta["n_top"]
    shape = inputs["q"].shape[:2]
    q, k, v = qkv = [inputs[name].flatten(0, 1) for name in "qkv"]
    likeness, bound = compare_blocks(q, k, size)
    permutation = sort_blocks(likeness, inputs["gumbel"], meta["iterations"], meta["temperature"])
    heads = torch.arange(len(q)) % shape[1]
    nulls = [golden.params[f"causal.null_{what}"][heads] for what in ("keys", "values")]
    half, past = shape[1] // 2, torch.empty_like(v)
    for some, attend in ((heads < half, attend_the_past), (heads >= half, attend_later_blocks)):
        null = tuple(t[some] for t in nulls)
        past = past.masked_scatter(some[:, None, None], attend(*(t[some] for t in qkv), size, n_top, null=null))
    outputs = {
        "gumbel_sinkhorn": attend_blocks(q, k, v, permutation, size),
        "topk": attend_blocks(q, k, v, choose_blocks(likeness, bound, n_top), size),
        "causal_topk": past,
    }
    outputs = {name: out.unflatten(0, shape) for name, out in outputs.items()}
    return Ours(outputs | {"permutation": permutation[:, :, 0]})


SINKHORN = Mapping(systems=("Sinkhorn attention",), run=run)
