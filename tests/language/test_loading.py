"""Language models by name."""

import copy
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from darts_tsformers.language import language_model, width_of
from tests.helpers import draw, exactly
from tests.language.languages import ARCHITECTURES, SIZES, saved, untrained

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


class Around(nn.Module):
    """A network with a language model in it."""

    def __init__(self, backbone: str, **arguments: object) -> None:
        super().__init__()
        self.language = language_model(backbone, **arguments)
        self.head = nn.Linear(self.language.d_model, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.language(x))


@every_architecture
def test_a_folder_is_read(architecture, tmp_path):
    folder = saved(tmp_path, architecture)
    model = language_model(folder)
    weights, tokens = load_file(tmp_path / "model.safetensors"), draw(2, 5, 6)
    for name, weight in model.transformer.state_dict().items():
        assert torch.equal(weight, weights[name])
    fresh = untrained(architecture)
    fresh.transformer.load_state_dict(weights)
    assert torch.equal(model(tokens), fresh(tokens))
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


@every_architecture
def test_the_first_layers_are_kept(architecture, tmp_path):
    folder = saved(tmp_path, architecture)
    whole, short = language_model(folder), language_model(folder, n_backbone_layers=1)
    assert len(whole.attention_layers()) == 2
    (path,) = short.attention_layers()
    first = whole.get_submodule(whole.attention_layers()[0]).state_dict()
    assert all(torch.equal(weight, first[name]) for name, weight in short.get_submodule(path).state_dict().items())
    assert short(draw(1, 3, 6)).shape == (1, 3, 6)


@every_architecture
def test_an_untrained_one_is_the_same_each_time_and_draws_no_chance(architecture):
    before = torch.get_rng_state()
    first, second = untrained(architecture), untrained(architecture)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first(draw(2, 3, 6)), second(draw(2, 3, 6)))
    assert len(first.attention_layers()) == SIZES["n_layers"]
    assert SIZES["d_ff"] in {size for weight in first.parameters() for size in weight.shape}


def test_an_untrained_one_is_saved_with_its_weights():
    first, second = (Around("random", backbone_sizes=SIZES) for _ in range(2))
    for weight in first.parameters():
        weight.data += 0.1
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(draw(2, 3, 6)), second(draw(2, 3, 6)))


def test_a_published_one_is_saved_as_a_digest(tmp_path):
    folder = saved(tmp_path / "a")
    first, second = Around(folder), Around(folder)
    assert list(first.state_dict()) == ["language.backbone.digest", "head.weight", "head.bias"]
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(draw(2, 3, 6)), second(draw(2, 3, 6)))
    with pytest.raises(RuntimeError, match="has other weights or settings than the one that this"):
        Around(saved(tmp_path / "b", seed=2)).load_state_dict(first.state_dict())


def test_it_can_be_copied():
    model = untrained()
    assert torch.equal(copy.deepcopy(model)(draw(2, 3, 6)), model(draw(2, 3, 6)))


def test_none_is_none_and_has_a_width():
    assert language_model("none") is None
    assert width_of(None, None) == 768
    assert width_of(None, {"d_model": 7}) == 7
    assert width_of(untrained(), None) == 6


def test_without_values_nothing_is_read(tmp_path):
    folder = saved(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with torch.device("meta"):
        here, elsewhere = language_model(folder), language_model("no/such-model", n_backbone_layers=3)
        random = language_model("random", architecture="llama", backbone_sizes=SIZES)
    assert (here.d_model, elsewhere.d_model, random.d_model) == (6, 768, 6)
    assert {weight.device.type for model in (here, elsewhere, random) for weight in model.parameters()} == {"meta"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backbone": 3}, "backbone=3 must be a folder, a name on the hub, 'random' or 'none'"),
        ({"architecture": "gpt5000"}, "architecture='gpt5000' must be a model type of transformers"),
        ({"architecture": "t5"}, "must be an encoder or a decoder of words, with states as wide as its tokens; it is"),
        ({"architecture": "vit"}, "backbone='vit' must be an encoder or a decoder of words"),
        ({"backbone_sizes": {"d_model": 7}}, "backbone_sizes: n_heads=12 must divide d_model=7"),
        ({"backbone_sizes": {"n_layers": 0}}, "n_layers=0 must be an integer of at least 1"),
        ({"backbone_sizes": {"depth": 3}}, "backbone_sizes has 'depth', which 'gpt2' knows nothing of"),
        ({"backbone_sizes": 3}, "backbone_sizes=3 must be a dictionary or None"),
        ({"n_backbone_layers": 0}, "n_backbone_layers=0 must be an integer of at least 1"),
        ({"backbone_sizes": SIZES, "n_backbone_layers": 3}, "n_backbone_layers=3 must be at most the 2 that there are"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        language_model(**{"backbone": "random"} | arguments)


def test_a_folder_without_weights_is_refused(tmp_path):
    folder = saved(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="must be a folder or a name on the hub, with weights as safetensors"):
        language_model(folder)
    with pytest.raises(ValueError, match="must be a folder or a name on the hub"):
        language_model(str(tmp_path / "elsewhere"))


def test_a_folder_that_lacks_weights_is_refused(tmp_path):
    folder = saved(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["h.1.ln_1.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks weights, such as 'h\.1\.ln_1\.weight'"):
        language_model(folder)


def test_a_folder_of_damaged_weights_is_refused(tmp_path):
    folder = saved(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:300])
    with pytest.raises(ValueError, match=f"^backbone='{folder}' must be a folder or a name on the hub"):
        language_model(folder)


def test_a_folder_whose_weights_do_not_fit_its_configuration_is_refused(tmp_path):
    folder = saved(tmp_path)
    set_in_config(tmp_path, n_positions=7)
    misfit = "'wpe.weight' is of shape (1024, 6), not (7, 6)"
    with pytest.raises(
        ValueError, match=exactly(f"backbone='{folder}' has weights that do not fit its config.json: {misfit}")
    ):
        language_model(folder)


@pytest.mark.parametrize("changed", [{"n_head": 2}, {"activation_function": "relu"}, {"layer_norm_epsilon": 0.1}])
def test_other_settings_are_refused_like_other_weights(tmp_path, changed):
    folder = saved(tmp_path)
    first = Around(folder)
    set_in_config(tmp_path, **changed)
    with pytest.raises(RuntimeError, match="has other weights or settings than the one that this model was trained"):
        Around(folder).load_state_dict(first.state_dict())


def test_notes_and_defaults_in_a_configuration_change_nothing(tmp_path):
    folder = saved(tmp_path)
    first = Around(folder)
    notes = {
        "transformers_version": "4.1",
        "architectures": ["GPT2LMHeadModel"],
        "dtype": "float16",
        "use_cache": False,
    }
    set_in_config(tmp_path, **notes, scale_attn_weights=True)
    Around(folder).load_state_dict(first.state_dict())


def set_in_config(folder: Path, **changed: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changed))


@pytest.mark.parametrize("architecture", ["qwen2", "mistral", "gemma"])
def test_untrained_ones_have_as_many_keys_as_queries_unless_told(architecture):
    assert untrained(architecture, d_model=8, n_heads=4)(draw(2, 5, 8)).shape == (2, 5, 8)
    few = untrained(architecture, d_model=8, n_heads=4, num_key_value_heads=2)
    assert few.transformer.config.num_key_value_heads == 2
    assert few(draw(2, 5, 8)).shape == (2, 5, 8)


def test_code_of_a_folder_is_never_run(tmp_path):
    folder = saved(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('run')")
    with pytest.raises(ValueError, match="must be a folder or a name on the hub"):
        language_model(folder)


def test_it_says_how_to_install_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'darts_tsformers\[llm\]'"):
        language_model("random")
    assert language_model("none") is None
