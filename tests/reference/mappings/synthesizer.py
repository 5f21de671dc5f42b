"""The Synthesizer: its dense form makes scores of whole tokens, which are the queries of every head here."""

from torch import Tensor

from darts_tsformers.attention import Attention, HeadSizes, build_attention
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights

DENSE = {"widen": "W1", "widen_bias": "b1", "narrow": "W2", "narrow_bias": "b2"}
FACTORISED = {"of_queries": "R1", "of_keys": "R2"}
WEIGHTS = {"dense": DENSE, "random": {"scores": "R"}, "factorised": FACTORISED}


def run(golden: Golden) -> Ours:
    inputs, outputs = golden.inputs, {}
    v = inputs["v"]
    q = inputs["x"][:, None].expand(-1, v.shape[1], -1, -1)
    for kind, names in WEIGHTS.items():
        mechanism = built(golden, kind, {ours: inputs[theirs] for ours, theirs in names.items()})
        name = "factorised_random" if kind == "factorised" else kind
        for way, causal in {"full": False, "causal": True}.items():
            outputs[f"{name}_{way}"] = mechanism(q, q, v, causal=causal)[0]
    return Ours(outputs)


def built(golden: Golden, kind: str, weights: dict[str, Tensor]) -> Attention:
    x, longest = golden.inputs["x"], golden.meta["max_length"]
    width = next(iter(weights.values())).shape[1 if kind == "dense" else 2]
    sizes = HeadSizes(golden.inputs["v"].shape[1], x.shape[-1], longest, longest)
    mechanism = build_attention(("synthesizer", {"kind": kind, "width": width}), sizes)
    with_weights(mechanism, weights)
    return mechanism


SYNTHESIZER = Mapping(systems=("Synthesizer",), run=run)
