"""The attention parts of a FIT block; the files number its layers in the order in which they act."""

import torch

from darts_tsformers.layers.transformer.interleaved import InterleavedBlock
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights


def run(golden: Golden) -> Ours:
    meta, params, latents = golden.meta, golden.params, golden.inputs["latents"]
    n_local, n_global = meta["local_layers"], meta["global_layers"]
    order = [f"local.{i}" for i in range(n_local)] + ["read"] + [f"among.{i}" for i in range(n_global)] + ["write"]
    weights = {"latents": latents}
    for i, name in enumerate(order):
        weights[f"{name}.project_q.weight"] = params[f"{i}.Wq"]
        weights[f"{name}.project_kv.weight"] = torch.cat([params[f"{i}.Wk"], params[f"{i}.Wv"]])
        weights[f"{name}.project_out.weight"] = params[f"{i}.Wo"]
    outputs = {}
    for way, causal in {"full": False, "causal": True}.items():
        block = InterleavedBlock(
            meta["d"],
            meta["heads"],
            n_tokens=meta["groups"] * meta["n"],
            group_size=meta["n"],
            n_latents=meta["latents"],
            n_local_layers=n_local,
            n_global_layers=n_global,
            causal=causal,
        )
        outputs[way], outputs[f"{way}_latents"] = with_weights(block, weights)(golden.inputs["x"])
    return Ours(outputs)


FIT = Mapping(systems=("FIT block (attention parts only)",), run=run)
