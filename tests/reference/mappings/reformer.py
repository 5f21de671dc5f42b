"""Reformer, hashed by the rotations of the files; a key that counts once is counted as the package does it."""

import torch
from torch import Tensor

from darts_tsformers.attention.reformer import attend_chunks, hashed, with_the_one_before
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours


def count_as_published(own: Tensor, after: Tensor) -> Tensor:
    """Count the meetings within a round alone: across the border of two rounds there are as good as none."""
    keys = (with_the_one_before(t)[..., None, :, :] for t in (own, after))
    return sum((own[..., :, None, :] == some).sum(-1) for some in keys) + 1e-9


def run(golden: Golden) -> Ours:
    qk, v, rotations = (golden.inputs[name] for name in ("qk", "v", "rotations"))
    of_round = hashed(qk, [rotations[0]])
    n_buckets = 2 * rotations.shape[-1]
    outputs = {"buckets": of_round + n_buckets * torch.arange(of_round.shape[1])[:, None]}
    for name in golden.outputs.keys() - outputs.keys():
        outputs[name] = attend_chunks(
            qk,
            v,
            of_round,
            golden.meta["bucket_size"],
            causal=name.startswith("causal"),
            across="own_bucket" not in name,
            count=count_as_published if "no_duplicates" in name else None,
        )
    return Ours(outputs)


REFORMER = Mapping(systems=("Reformer LSH attention (shared q = k)",), run=run)
