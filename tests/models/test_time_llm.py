"""Time-LLM as users have it: around a language model of a folder, saved without that, and as an ONNX file."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from darts import TimeSeries
from darts.utils.onnx import run_onnx_prediction
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from darts_tsformers.explain import explain
from darts_tsformers.models import TimeLLMModel
from tests.contracts.cases import TRAINER
from tests.language.languages import saved

SINE = np.sin(np.arange(60) / 3).astype("float32") * 3 + 10
SERIES = TimeSeries.from_values(SINE)
WORDS = ["<unk>", "rises", "falls", "Window", "lowest", "."]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Write a language model with a tokeniser that knows six words."""
    path = saved(tmp_path / "language", vocab_size=len(WORDS))
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>").save_pretrained(path)
    return path


def model_of(backbone: str, **changes) -> TimeLLMModel:
    arguments = TimeLLMModel.tiny | {"n_epochs": 1, "random_state": 0, "pl_trainer_kwargs": TRAINER} | changes
    return TimeLLMModel(12, 4, **arguments | {"backbone": backbone, "n_backbone_layers": 1})


def test_a_saved_model_holds_no_weights_of_the_language_model_and_reads_them_again(folder, tmp_path):
    model = model_of(folder).fit(SERIES)
    expected = model.predict(9).values()
    model.save(tmp_path / "saved.pt")
    kept = torch.load(f"{tmp_path / 'saved.pt'}.ckpt", weights_only=False)["state_dict"]
    assert [name for name in kept if ".language." in name] == ["forecaster.network.language.backbone.digest"]
    np.testing.assert_allclose(TimeLLMModel.load(tmp_path / "saved.pt").predict(9).values(), expected, rtol=1e-6)
    saved(Path(folder), seed=2, vocab_size=len(WORDS))
    with pytest.raises((ValueError, RuntimeError), match="has other weights or settings than the one that this"):
        TimeLLMModel.load(tmp_path / "saved.pt")


def test_prototypes_are_named_by_words_of_the_language_model(folder):
    e = explain(model_of(folder).fit(SERIES))
    (part,) = e.parts["prototypes"].values()
    names = part["prototype"].to_numpy().tolist()
    assert names[0].startswith("1: ")
    assert {word for name in names for word in name.split(": ", 1)[1].split(", ")} <= set(WORDS)
    assert "reprogramming attends most to " in e.summary()
    assert "The prompt has " in e.summary()


def test_a_description_is_part_of_what_it_forecasts_from():
    sizes = {"backbone_sizes": {"d_model": 8, "n_layers": 1, "n_heads": 2}}
    plain, told = (model_of("random", **sizes, description=text).fit(SERIES) for text in (None, "A sine."))
    assert not np.allclose(plain.predict(4).values(), told.predict(4).values(), rtol=1e-6)


def test_prompts_of_numbers_are_in_no_onnx_file(tmp_path):
    sizes = {"backbone_sizes": {"d_model": 8, "n_layers": 1, "n_heads": 2}}
    with pytest.raises(ValueError, match="prompt='statistics' must be 'task' or 'none' for an export"):
        model_of("random", **sizes).fit(SERIES).to_onnx(tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    model = model_of("random", **sizes, prompt="task").fit(SERIES)
    model.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession((tmp_path / "model.onnx").read_bytes())
    got = run_onnx_prediction(9, session, SERIES, verbose=False)
    np.testing.assert_allclose(got.values(), model.predict(9).values(), rtol=1e-5)
