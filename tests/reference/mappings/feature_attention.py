"""Attention by features: the Linear Transformer, Performer, and features with a bias for each distance."""

import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.attention import LinearAttention
from darts_tsformers.attention import nprf as by_distance
from darts_tsformers.attention._features import attend_by_features
from darts_tsformers.attention.performer import relu_features, softmax_features
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours


def run_linear(golden: Golden) -> Ours:
    heads = [golden.inputs[name] for name in "qkv"]
    attend = LinearAttention()
    return Ours({"full": attend(*heads)[0], "causal": attend(*heads, causal=True)[0]})


LINEAR = Mapping(systems=("Linear Transformer",), run=run_linear)


def after_a_small_key(of_queries: Tensor, of_keys: Tensor, v: Tensor) -> Tensor:
    """Attend causally with 1e-6 added to each sum of features, as the package does: one more key, of value 0."""
    padded = (
        F.pad(of_queries, (0, 0, 1, 0), value=1.0),
        F.pad(of_keys, (0, 0, 1, 0), value=1e-6),
        F.pad(v, (0, 0, 1, 0)),
    )
    return attend_by_features(*padded, causal=True)[..., 1:, :]


def run_performer(golden: Golden) -> Ours:
    q, k, v = (golden.inputs[name] for name in "qkv")
    projection = golden.inputs["projection"]
    softmax = softmax_features(q, projection), softmax_features(k, projection, of_keys=True)
    outputs = {"phi_q": softmax[0], "phi_k": softmax[1]}
    for name, features in {"": softmax, "relu_": tuple(relu_features(x, projection) for x in (q, k))}.items():
        outputs[f"{name}full"] = attend_by_features(*features, v, causal=False)
        outputs[f"{name}causal"] = after_a_small_key(*features, v)
        outputs[f"{name}causal_exact_eps0"] = attend_by_features(*features, v, causal=True)
    return Ours(outputs)


PERFORMER = Mapping(systems=("Performer FAVOR+",), run=run_performer)


def run_nprf(golden: Golden) -> Ours:
    """Take the form by transforms, however short the sequence."""
    q, k, v = (golden.inputs[name] for name in "qkv")
    features = [by_distance.unit_features(x, golden.inputs["projection"]) for x in (q, k)]
    outputs = {}
    for name, causal in {"full": False, "causal": True}.items():
        factors = by_distance.distance_factors(golden.inputs["bias"], causal=causal)
        outputs[name] = by_distance.attend_by_transform(*features, v, factors)
    return Ours(outputs)


NPRF = Mapping(systems=("Kernelised attention with relative positional encoding (NPRF)",), run=run_nprf)
