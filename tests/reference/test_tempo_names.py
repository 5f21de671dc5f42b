"""Weights of TEMPO that another version of peft has written are read all the same."""

from dataclasses import replace
from pathlib import Path

import torch

from tests.reference.files import read
from tests.reference.mappings.tempo import TEMPO_MAPPING

GOLDEN = Path(__file__).parent / "golden" / "pretrained" / "tempo_a.npz"


def test_names_from_before_peft_06_are_known():
    golden = read(GOLDEN)
    before = {name.replace(".base_layer.", "."): weight for name, weight in golden.params.items()}
    assert sum(name.endswith(".attn.c_attn.weight") for name in before) == golden.meta["config"]["gpt_layers"]
    ours = TEMPO_MAPPING.run(replace(golden, params=before))
    expected = TEMPO_MAPPING.run(golden)
    torch.testing.assert_close(ours.outputs["forward"], expected.outputs["forward"], rtol=0, atol=0)
