"""Files of a checkpoint: what they must be."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from darts_tsformers.pretrained import Checkpoint
from tests.helpers import draw


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 8}))
    save_file({"weight": draw(3).bfloat16()}, tmp_path / "model.safetensors")
    return tmp_path


def test_both_files_are_read(folder):
    checkpoint = Checkpoint(local_dir=folder)
    assert checkpoint.config() == {"hidden_size": 8}
    assert torch.equal(checkpoint.weights()["weight"], draw(3).bfloat16())


def test_a_pickle_is_refused_by_name_and_not_opened(folder):
    torch.save({"weight": draw(3)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors' must be a safetensors file: "):
        Checkpoint(local_dir=folder).weights()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"must hold model\.safetensors: there is no such file"):
        Checkpoint(local_dir=folder)


def test_a_file_that_was_cut_is_refused(folder):
    whole = (folder / "model.safetensors").read_bytes()
    for content in (whole[:-1], whole[:5], b"", pickle.dumps({})):
        (folder / "model.safetensors").write_bytes(content)
        with pytest.raises(ValueError, match="must be a safetensors file"):
            Checkpoint(local_dir=folder).weights()
