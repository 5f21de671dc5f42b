"""EcoFormer: codes with the width that a sample has in the published code, where ours is that of the anchors."""

import torch.nn.functional as F

from darts_tsformers.attention.ecoformer import attend_codes, binary_codes
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours


def run(golden: Golden) -> Ours:
    inputs = golden.inputs
    anchors, mean, hashes = inputs["anchor"][0], inputs["mvec"][0, :, 0], inputs["A"]
    unit = F.normalize(inputs["qk"], dim=-1)
    width = (unit[..., None, :] - anchors[:, None]).square().sum(-1).mean((-2, -1))
    codes = binary_codes(inputs["qk"], anchors, mean, hashes, width)
    ways = {"full": False, "causal": True}
    outputs = {way: attend_codes(codes, codes, inputs["v"], causal=causal) for way, causal in ways.items()}
    return Ours(outputs | {"codes": codes})


ECOFORMER = Mapping(systems=("EcoFormer attention",), run=run)
