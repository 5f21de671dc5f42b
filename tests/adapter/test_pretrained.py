"""Models that take their weights from a folder: a toy under the contracts that concern it."""

import json

import numpy as np
import pytest
import torch
from darts import TimeSeries
from safetensors.torch import save_file
from torch import nn

from darts_tsformers.adapter.pretrained import PretrainedModel
from darts_tsformers.networks import Network
from darts_tsformers.pretrained import KeyMap
from tests.contracts.cases import TRAINER
from tests.helpers import draw, exactly

L, H = 7, 3
SERIES = TimeSeries.from_values(np.sin(np.arange(40, dtype=np.float32)) + 3)


class ToyPretrained(Network, name="toy_pretrained"):
    """A hidden layer.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    d_hidden
        Its width.
    """

    width_tie = None

    def __init__(self, sizes, *, d_hidden: int = 4) -> None:
        super().__init__(sizes)
        self.inner = nn.Linear(sizes.input_length, d_hidden)
        self.outer = nn.Linear(d_hidden, sizes.output_length * sizes.n_parameters)

    def forward(self, window):
        out = self.outer(self.inner(window.target.mT).relu())
        return out.unflatten(-1, (-1, self.sizes.n_parameters)).transpose(1, 2)


class ToyPretrainedModel(PretrainedModel):
    """A toy."""

    network_class = ToyPretrained
    key_map = KeyMap(renames=((r"^encoder", "inner"), (r"^head", "outer")), unused=("table",))

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        d_hidden: int = 4,
        hub_model_name: str | None = None,
        hub_model_revision: str | None = None,
        local_dir: str | None = None,
        use_instance_norm: bool = True,
        min_input_chunk_length: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__()

    @classmethod
    def architecture(cls, config):
        return {"d_hidden": config["hidden_size"]}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "tiny"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"hidden_size": 5}))
    shapes = {"encoder.weight": (5, L), "encoder.bias": (5,), "head.weight": (H, 5), "head.bias": (H,), "table": (2,)}
    save_file({name: draw(*shape) for name, shape in shapes.items()}, made / "model.safetensors")
    return made


def model_of(folder, **arguments) -> ToyPretrainedModel:
    arguments = {"n_epochs": 1, "random_state": 3, "pl_trainer_kwargs": TRAINER} | arguments
    return ToyPretrainedModel.from_pretrained(folder, L, H, **arguments)


def weights(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.model.forecaster.network.state_dict().items()}


def test_it_forecasts_by_the_published_weights_without_training(folder):
    model = model_of(folder).fit(SERIES)
    assert torch.equal(weights(model)["inner.weight"], draw(5, L))
    window = torch.from_numpy(SERIES.values()[-L:].copy())
    level, spread = window.mean(), (window.var(correction=0) + 1e-5).sqrt()
    hidden = (draw(5, L) @ ((window - level) / spread) + draw(5)[:, None]).relu()
    expected = (draw(H, 5) @ hidden + draw(H)[:, None]) * spread + level
    np.testing.assert_allclose(model.predict(H).values(), expected.numpy(), rtol=1e-5)


def test_a_look_back_is_enough_to_be_forecast(folder):
    assert len(model_of(folder).fit(SERIES[: L + H]).predict(H)) == H


@pytest.mark.parametrize("tuned", [True, {"unfreeze": ["*outer*"]}], ids=str)
def test_it_trains_further_what_is_to_be_trained(folder, tuned):
    before = weights(model_of(folder).fit(SERIES))
    after = weights(model_of(folder, enable_finetuning=tuned, optimizer_kwargs={"lr": 0.1}).fit(SERIES))
    moved = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved == ({"inner", "outer"} if tuned is True else {"outer"})


def test_a_pattern_that_fits_nothing_is_named(folder):
    with pytest.raises(ValueError, match=r"'\*attention\*' must fit a parameter, such as "):
        model_of(folder, enable_finetuning={"unfreeze": ["*attention*"]}).fit(SERIES)


def test_a_saved_model_needs_the_folder_no_more(folder, tmp_path):
    model = model_of(folder).fit(SERIES)
    expected = model.predict(H, SERIES).values()
    model.save(tmp_path / "model.pt")
    (folder / "model.safetensors").unlink()
    loaded = ToyPretrainedModel.load(tmp_path / "model.pt")
    np.testing.assert_array_equal(loaded.predict(H, SERIES).values(), expected)


def test_without_a_folder_it_is_trained_from_the_start():
    model = ToyPretrainedModel(L, H, d_hidden=11, n_epochs=1, pl_trainer_kwargs=TRAINER).fit(SERIES)
    assert weights(model)["inner.weight"].shape == (11, L)
    assert any(p.requires_grad for p in model.model.parameters())


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_named(folder, name):
    (folder / name).unlink()
    message = f"local_dir={str(folder)!r} must hold {name}: there is no such file"
    with pytest.raises(FileNotFoundError, match=exactly(message)):
        model_of(folder)


def test_weights_of_another_shape_are_named_before_anything_is_made(folder):
    (folder / "config.json").write_text(json.dumps({"hidden_size": 6}))
    with pytest.raises(
        ValueError, match=r"does not fit ToyPretrained: of another shape: encoder\.bias \(5,\) for \(6,\)"
    ):
        model_of(folder).fit(SERIES)
