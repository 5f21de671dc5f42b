"""A language model in less precision than the network around it."""

import numpy as np
import pytest
import torch

from darts_tsformers.language import language_model
from darts_tsformers.language.model import PRECISIONS
from tests.contracts.cases import CASE, H, make_data
from tests.helpers import draw
from tests.language.languages import ARCHITECTURES, SIZES, saved, untrained

CASES = ("AutoTimesModel", "TEMPOModel", "TimeCMAModel-random", "TimeLLMModel-random")
TINY = {"backbone": "random", "backbone_sizes": SIZES}


def small(precision, architecture="gpt2"):
    return language_model("random", architecture=architecture, backbone_sizes=SIZES, backbone_precision=precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_computes_almost_the_same_and_hands_gradients_on(architecture, precision):
    tokens = draw(3, 5, 6).requires_grad_()
    states = small(precision, architecture)(tokens)
    torch.testing.assert_close(states, untrained(architecture)(tokens), rtol=0.1, atol=0.1)
    assert not torch.equal(states, untrained(architecture)(tokens))
    states.sum().backward()
    assert states.dtype == tokens.grad.dtype == torch.float32


def test_it_stays_in_its_precision_whatever_the_network_around_it_does():
    around = torch.nn.Sequential(torch.nn.Linear(2, 3), small("bf16"))
    for moved in (around.double(), around.float()):
        assert {weight.dtype for weight in moved[1].parameters()} == {torch.bfloat16}
    assert small("bf16")(draw(2, 3, 6, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_trains_and_is_saved_with_it(name, dtype, tmp_path):
    case, data = CASE[name], make_data(2)
    series = data.series.astype(dtype)
    model = case.model(backbone_precision="bf16", **{"lora_rank": None, **TINY}).fit(series)
    language = next(part for part in model.model.modules() if hasattr(part, "precision"))
    assert {weight.dtype for weight in language.parameters()} == {torch.bfloat16}
    model.save(str(tmp_path / "model.pt"))
    forecast = model.predict(H, series)
    again = case.model_class.load(str(tmp_path / "model.pt")).predict(H, series)
    np.testing.assert_array_equal(again.values(), forecast.values())
    assert forecast.dtype == dtype


def test_the_digest_of_a_folder_is_that_of_its_weights(tmp_path):
    folder = saved(tmp_path / "words")
    digests = [
        language_model(folder, backbone_precision=precision).state_dict()["backbone.digest"]
        for precision in (None, "bf16")
    ]
    assert torch.equal(*digests)


def test_what_is_trained_is_kept_in_full_precision():
    with pytest.raises(ValueError, match="backbone_precision='bf16' must be None with lora_rank=2"):
        language_model("random", backbone_sizes=SIZES, lora_rank=2, backbone_precision="bf16")
    with pytest.raises(ValueError, match="backbone_precision='int8' must be one of"):
        small("int8")
    model = small("fp16")
    model.requires_grad_(True)
    with pytest.raises(ValueError, match="backbone_precision='fp16' must be None to train weights of the backbone"):
        model.train()
