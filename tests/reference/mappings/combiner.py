"""Combiner, causal, in all its patterns."""

from darts_tsformers.attention.combiner import CombinerAttention
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours

ROW_KEYS = {"axial_wsum": "weighted", "axial_none": "plain"}


def run(golden: Golden) -> Ours:
    qkv = [golden.inputs[name] for name in "qkv"]
    outputs = {}
    for name in golden.outputs:
        pattern, segment = name.partition("_")[0], golden.meta["segment"]
        mechanism = CombinerAttention(pattern, segment, row_keys=ROW_KEYS.get(name, "weighted"))
        outputs[name] = mechanism(*qkv, causal=True)[0]
    return Ours(outputs)


COMBINER = Mapping(systems=("Combiner attention (causal)",), run=run)
