"""Low-rank adapters beside frozen weights."""

import sys

import pytest
import torch

from darts_tsformers.language import language_model
from tests.helpers import draw
from tests.language.languages import ARCHITECTURES, SIZES, saved


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_they_change_nothing_at_the_start_and_are_trained_alone(architecture, tmp_path):
    folder, tokens = saved(tmp_path, architecture), draw(2, 5, 6)
    plain, adapted = language_model(folder), language_model(folder, lora_rank=2)
    torch.testing.assert_close(adapted(tokens), plain(tokens))
    trained = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert trained
    assert all(".lora_A." in name or ".lora_B." in name or name.endswith(".base_layer.bias") for name in trained)
    assert set(adapted.state_dict()) == {"backbone.digest", *trained}
    assert not any(part.training for part in adapted.train().modules())
    adapted(tokens).square().sum().backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in adapted.parameters())


def test_what_they_learnt_is_saved_beside_the_digest(tmp_path):
    folder, tokens = saved(tmp_path), draw(2, 5, 6)
    first, second = (language_model(folder, lora_rank=2) for _ in range(2))
    for weight in first.parameters():
        if weight.requires_grad:
            weight.data += 0.3
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(tokens), second(tokens))
    assert not torch.equal(first(tokens), language_model(folder)(tokens))


def test_they_add_a_product_of_low_rank(tmp_path):
    folder, tokens = saved(tmp_path), draw(2, 5, 6)
    plain, adapted = language_model(folder), language_model(folder, lora_rank=2)
    for ours, adapter in zip(plain.transformer.h, adapted.transformer.h, strict=True):
        a, b = adapter.attn.c_attn.lora_A["default"].weight, adapter.attn.c_attn.lora_B["default"].weight
        a.data, b.data = draw(*a.shape), draw(*b.shape, seed=1)
        ours.attn.c_attn.weight.data += (b @ a).mT
    torch.testing.assert_close(adapted(tokens), plain(tokens))


def test_bad_ones_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="lora_rank=0 must be an integer of at least 1"):
        language_model("random", backbone_sizes=SIZES, lora_rank=0)
    with pytest.raises(ValueError, match="lora_rank=2 must be None for 'nanochat'"):
        language_model("random", architecture="nanochat", backbone_sizes=SIZES, lora_rank=2)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"lora_rank needs peft: pip install 'darts_tsformers\[llm\]'"):
        language_model("random", backbone_sizes=SIZES, lora_rank=2)
