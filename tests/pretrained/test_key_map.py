"""Names of weights, every one accounted for."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from darts_tsformers.pretrained import KeyMap, load_mapped
from tests.helpers import draw, exactly

TABLE = KeyMap(renames=((r"^model\.", ""), (r"proj$", "weight")), unused=(r".*inv_freq",))


def network() -> nn.Module:
    return nn.ModuleDict({"first": nn.Linear(3, 2, bias=False), "second": nn.Linear(2, 5, bias=False)})


def weights() -> dict[str, torch.Tensor]:
    return {"model.first.proj": draw(2, 3), "model.second.proj": draw(5, 2), "model.inv_freq": draw(7)}


def test_weights_are_found_by_the_table_and_cast():
    made = network().double()
    load_mapped(made, {name: w.bfloat16() for name, w in weights().items()}, TABLE, "file")
    assert made["first"].weight.dtype == torch.float64
    assert torch.equal(made["first"].weight, weights()["model.first.proj"].bfloat16().double())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda w: w.pop("model.first.proj"), "missing: first.weight"),
        (lambda w: w.update({"model.third.proj": draw(1)}), "without a place: model.third.proj"),
        (lambda w: w.update({"first.proj": draw(2, 3)}), "given twice: first.proj"),
        (lambda w: w.update({"model.first.proj": draw(3, 2)}), "of another shape: model.first.proj (3, 2) for (2, 3)"),
    ],
    ids=["missing", "surplus", "twice", "misshapen"],
)
def test_what_does_not_fit_is_named_and_nothing_is_changed(change, fault):
    made, given = network(), weights()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    change(given)
    with pytest.raises(ValueError, match=exactly(f"file does not fit ModuleDict: {fault}")):
        load_mapped(made, given, TABLE, "file")
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())


def test_a_long_list_is_cut():
    with pytest.raises(ValueError, match="without a place: x0, x1, x2, x3, x4 and 6 more"):
        load_mapped(network(), {f"x{i}": draw(1) for i in range(11)}, TABLE, "file")


def test_what_a_checkpoint_may_lack_stays_as_it_is_and_all_else_must_be_there():
    made, given = network(), weights()
    before = made["second"].weight.clone()
    del given["model.second.proj"]
    load_mapped(made, given, replace(TABLE, added=(r"second\..*",)), "file")
    assert torch.equal(made["first"].weight, weights()["model.first.proj"])
    assert torch.equal(made["second"].weight, before)
    with pytest.raises(ValueError, match=exactly("file does not fit ModuleDict: missing: second.weight")):
        load_mapped(made, given, replace(TABLE, added=(r"second",)), "file")
