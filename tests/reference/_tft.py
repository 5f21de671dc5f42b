"""The parts of the Temporal Fusion Transformer under the weights of another implementation."""

import torch
from torch import Tensor

from darts_tsformers.layers.selection.gating import GatedResidualNetwork
from darts_tsformers.layers.selection.grouped import Lines
from darts_tsformers.layers.selection.variable_selection import VariableSelection
from darts_tsformers.layers.transformer.interpretable_attention import InterpretableAttention
from tests.reference._golden import Golden, filled

GRN_NAMES = {
    "layer_norm.ln.": "gate.norm.",
    "lin_a.": "hidden.",
    "lin_c.": "context.",
    "lin_i.": "inner.",
    "glu.lin.": "gate.gate.",
    "out_proj.": "skip.",
}
GROUPED_NAMES = {
    "layer_norm.ln.": "norm_",
    "lin_a.": "hidden.",
    "lin_i.": "inner.",
    "glu.lin.": "gate.",
}


def renamed(name: str, names: dict[str, str]) -> str:
    for before, after in names.items():
        name = name.replace(before, after)
    return name


def gated_residual_network(golden: Golden) -> Tensor:
    s = golden.settings
    layer = GatedResidualNetwork(s["d_in"], s["d_hidden"], s["d_out"], d_context=s["d_context"])
    weights = {renamed(name, GRN_NAMES): weight for name, weight in golden.weights.items()}
    return filled(layer, weights)(golden.x, golden.memory)


def attention(golden: Golden, n_last: int | None = None) -> Tensor:
    """Return the last rows, by default all."""
    s = golden.settings
    layer = InterpretableAttention(s["d_model"], s["n_heads"], causal=s["causal"])
    weights = {
        renamed(name, {"qkv_linears.": "project_in.", "out_proj.": "project_out."}): weight
        for name, weight in golden.weights.items()
    }
    return filled(layer, weights)(golden.x, n_last or s["length"])


def variable_selection(golden: Golden) -> Tensor:
    """Select variables.

    Its networks of the variables are a list of layers, ours lie side by side with their maps transposed.
    """
    s = golden.settings
    m, d = s["n_variables"], s["d_model"]
    given = {name.removeprefix("selection."): weight for name, weight in golden.weights.items()}
    embedding = Lines(given.pop("slope"), given.pop("intercept"))
    weights = {}
    for name in [name for name in given if name.startswith("var_grns.0.")]:
        each = torch.stack([given.pop(name.replace(".0.", f".{j}.")) for j in range(m)])
        ours = renamed(name.removeprefix("var_grns.0."), GROUPED_NAMES)
        weights[f"networks.{ours}"] = each.mT if each.ndim == 3 else each
    for name, weight in given.items():
        weights[f"weighing.{renamed(name.removeprefix('joint_grn.'), GRN_NAMES)}"] = weight
    layer = filled(VariableSelection(m, d, d, d_context=s["d_context"]), weights)
    return layer(golden.x, embedding, golden.memory)[0]


OURS = {
    "tft-grn-neuralforecast": gated_residual_network,
    "tft-attention-neuralforecast": attention,
    "tft-selection-neuralforecast": variable_selection,
}
