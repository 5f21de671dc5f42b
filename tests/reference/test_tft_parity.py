"""The parts of the Temporal Fusion Transformer equal another implementation of them under the same weights."""

import pytest
import torch
from torch import Tensor, nn

from darts_tsformers.layers.gating import GatedResidualNetwork
from darts_tsformers.layers.grouped import Lines
from darts_tsformers.layers.interpretable_attention import InterpretableAttention
from darts_tsformers.layers.variable_selection import VariableSelection
from tests.reference._golden import Golden, names, read

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


def filled(layer: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    layer.load_state_dict(weights, strict=True)
    return layer.eval()


def assert_met(actual: Tensor, golden: Golden) -> None:
    torch.testing.assert_close(actual, golden.y, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", names("tft-grn-neuralforecast"))
def test_gated_residual_network_of_neuralforecast_is_met(name):
    golden = read(name)
    s = golden.settings
    layer = GatedResidualNetwork(s["d_in"], s["d_hidden"], s["d_out"], d_context=s["d_context"])
    weights = {renamed(name, GRN_NAMES): weight for name, weight in golden.weights.items()}
    assert_met(filled(layer, weights)(golden.x, golden.memory), golden)


@pytest.mark.parametrize("name", names("tft-attention-neuralforecast"))
def test_attention_of_neuralforecast_is_met(name):
    golden = read(name)
    s = golden.settings
    layer = InterpretableAttention(s["d_model"], s["n_heads"], causal=s["causal"])
    weights = {
        renamed(name, {"qkv_linears.": "project_in.", "out_proj.": "project_out."}): weight
        for name, weight in golden.weights.items()
    }
    layer = filled(layer, weights)
    for n_last in (1, 3, s["length"]):
        assert_met(layer(golden.x, n_last), golden._replace(y=golden.y[:, -n_last:]))


@pytest.mark.parametrize("name", names("tft-selection-neuralforecast"))
def test_variable_selection_of_neuralforecast_is_met(name):
    """Its networks of the variables are a list of layers, ours lie side by side with their maps transposed."""
    golden = read(name)
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
    assert_met(layer(golden.x, embedding, golden.memory)[0], golden)


def test_golden_files_are_there():
    assert len(names("tft-grn-neuralforecast")) == 4
    assert len(names("tft-attention-neuralforecast")) == 4
    assert len(names("tft-selection-neuralforecast")) == 3
