"""GPHT as users have it: zero-shot from a folder, and trained further."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from darts import TimeSeries
from safetensors.torch import save_file

from darts_tsformers.models import GPHTModel
from darts_tsformers.networks.gpht import Patched
from tests.contracts.cases import TRAINER
from tests.helpers import exactly

GOLDEN = Path(__file__).parents[1] / "reference" / "golden" / "pretrained"
FILES = {name: dict(np.load(GOLDEN / f"gpht_{name}.npz")) for name in "ab"}
CONFIGS = {name: json.loads((GOLDEN / f"gpht_{name}.json").read_text())["config"] for name in "ab"}
LENGTHS = {"a": 64, "b": 36}
SINE = np.sin(np.arange(60) / 3).astype("float32") * 3 + 10
SERIES = TimeSeries.from_values(SINE)


def folder_of(name: str, tmp_path: Path, weights=None, **changes) -> Path:
    """Write a checkpoint: what the authors' code calls its settings and weights."""
    folder = tmp_path / f"gpht_{name}"
    folder.mkdir()
    config = {"model_type": "gpht", **CONFIGS[name], **changes}
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    kept = {key[6:]: torch.from_numpy(value) for key, value in FILES[name].items() if key.startswith("state/")}
    save_file(kept if weights is None else weights(kept), folder / "model.safetensors")
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return folder_of("b", tmp_path)


def model_of(folder: Path, *lengths: int, **arguments) -> GPHTModel:
    return GPHTModel.from_pretrained(folder, *lengths, pl_trainer_kwargs=TRAINER, **arguments)


def panel(values: np.ndarray) -> list[TimeSeries]:
    return [TimeSeries.from_values(one) for one in values]


def predicted(model: GPHTModel, n: int, series) -> np.ndarray:
    return np.stack([one.values() for one in model.predict(n, series, verbose=False)])


@pytest.mark.parametrize(("name", "n"), [("a", 5), ("a", 40), ("b", 12), ("b", 30)])
def test_any_horizon_in_one_call_as_the_authors_code_does(tmp_path, name, n):
    given, expected = FILES[name]["in/x"], FILES[name][f"out/rollout_{n}"]
    folder = folder_of(name, tmp_path)
    exact = model_of(folder, LENGTHS[name], use_instance_norm=False)
    np.testing.assert_allclose(predicted(exact, n, panel(given)), expected, rtol=1e-9, atol=1e-9)
    single = panel(given.astype("float32"))
    np.testing.assert_allclose(predicted(exact, n, single), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(predicted(model_of(folder, LENGTHS[name]), n, single), expected, rtol=1e-3, atol=1e-3)


def test_series_of_different_lengths_are_forecast_as_each_alone(folder):
    model = model_of(folder, 36)
    series = [TimeSeries.from_values(SINE[:length]) for length in (60, 7, 23, 1)]
    together = predicted(model, 27, series)
    for ours, one in zip(together, series, strict=True):
        np.testing.assert_allclose(ours, predicted(model, 27, [one])[0], rtol=1e-5, atol=1e-5)
        first = predicted(model_of(folder, min(36, len(one))), 12, [one])[0]  # a look-back as long as the series
        np.testing.assert_allclose(ours[:12], first, rtol=1e-5, atol=1e-5)


def test_components_are_forecast_as_each_alone(folder):
    joint = TimeSeries.from_values(np.stack([SINE, SINE[::-1] ** 2], axis=1))
    whole = model_of(folder, 36).predict(15, joint, verbose=False)
    for i in range(2):
        alone = model_of(folder, 36).predict(15, joint.univariate_component(i), verbose=False)
        np.testing.assert_allclose(whole.values()[:, i], alone.values()[:, 0], rtol=1e-5)


def test_a_saved_model_needs_the_folder_no_more(folder, tmp_path):
    model = model_of(folder, 36, 12).fit(SERIES)
    expected = model.predict(20, SERIES, verbose=False)
    model.save(tmp_path / "saved.pt")
    (folder / "model.safetensors").unlink()
    np.testing.assert_array_equal(GPHTModel.load(tmp_path / "saved.pt").predict(20, SERIES).values(), expected.values())


def test_what_it_has_learnt_is_read_for_other_look_backs_and_horizons(tmp_path):
    model = GPHTModel(24, 6, n_epochs=1, pl_trainer_kwargs=TRAINER, **GPHTModel.tiny).fit(SERIES, verbose=False)
    model.save_pretrained(tmp_path / "mine")
    other = model_of(tmp_path / "mine", 15, 9).fit(SERIES)
    ours, theirs = (one.model.forecaster.network.hierarchy.state_dict() for one in (model, other))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert other.model_params["pool_sizes"] == [3, 1]
    again = model_of(tmp_path / "mine")
    assert again.input_chunk_length == 24
    again = again.predict(12, SERIES, verbose=False)
    np.testing.assert_allclose(again.values(), model.predict(12, SERIES, verbose=False).values(), rtol=1e-5)


def test_it_looks_back_as_its_authors_do_unless_told(tmp_path):
    assert model_of(folder_of("a", tmp_path)).input_chunk_length == 336
    assert model_of(folder_of("b", tmp_path, seq_len=36)).input_chunk_length == 36


def test_tables_of_positions_are_not_needed(tmp_path):
    table = {"encoders.0.position_embedding.pe": torch.zeros(1, 5000, 24)}
    assert len(model_of(folder_of("b", tmp_path, lambda w: w | table)).predict(3, SERIES)) == 3


def test_what_is_not_fitted_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="must be fitted first"):
        GPHTModel(24, 6, **GPHTModel.tiny).save_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "config.json has model_type='gpt2', which must be 'gpht'"),
        ({"rope": True}, "config.json has rope=True, which is not known"),
        ({"token_len": None}, "config.json must have token_len"),
        ({"depth": 4}, "config.json has depth=4, which must be 1 to 3 for GT_pooling_rate=[4, 2, 1]"),
        ({"GT_pooling_rate": [5, 1, 1]}, "pool_sizes=(5, 1, 1) must each divide patch_length=12"),
        ({"activation": "swish"}, "activation='swish' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_asks_for_something_else_is_refused_by_name(tmp_path, changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        model_of(folder_of("b", tmp_path, **changes))


def without(weights, *parts):
    return {name: weight for name, weight in weights.items() if not any(part in name for part in parts)}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (lambda w: without(w, "encoders.2.forecast_head.bias"), r"missing: stages\.2\.head\.bias$"),
        (
            lambda w: without(w, "encoders.1.encoder.attn_layers.0.attention.key_projection.bias"),
            r"missing: stages\.1\.layers\.0\.attention\.project_in\.bias; without a place: .*query_projection\.bias",
        ),
        (lambda w: w | {"encoders.0.extra": torch.zeros(1)}, r"without a place: encoders\.0\.extra$"),
        (
            lambda w: w | {"encoders.0.forecast_head.weight": torch.zeros(2, 24)},
            r"of another shape: encoders\.0\.forecast_head\.weight \(2, 24\) for \(12, 24\)$",
        ),
    ],
    ids=["missing", "a third missing", "surplus", "misshapen"],
)
def test_weights_that_do_not_fit_are_named(tmp_path, weights, message):
    with pytest.raises(ValueError, match=message):
        model_of(folder_of("b", tmp_path, weights), 36).predict(3, SERIES)


def test_a_pickle_is_refused(folder):
    torch.save({}, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors' must be a safetensors file"):
        model_of(folder, 36).predict(3, SERIES)


def test_the_heads_alone_are_trained_further(folder):
    before = model_of(folder, 36, 12).fit(SERIES)
    heads = {"unfreeze": ["*.head.*"]}
    after = model_of(folder, 36, 12, n_epochs=1, enable_finetuning=heads, optimizer_kwargs={"lr": 0.01})
    after.fit(SERIES, verbose=False)
    ours, theirs = (model.model.forecaster.network.hierarchy.state_dict() for model in (after, before))
    moved = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert moved == {f"stages.{i}.head.{part}" for i in range(3) for part in ("weight", "bias")}


def test_a_pattern_that_fits_nothing_is_an_error(folder):
    with pytest.raises(ValueError, match=r"'\*forecast_head\*' must fit a parameter, such as "):
        model_of(folder, 36, 12, enable_finetuning={"unfreeze": ["*forecast_head*"]}).fit(SERIES)


def test_it_learns_by_the_loss_of_the_authors(folder):
    """The squared error over all patches of a window, the one after it included."""
    window = SERIES[:48]
    model = model_of(folder, 36, 12, n_epochs=1, enable_finetuning=True, dropout=0.0, batch_size=1)
    model.fit(window, verbose=False)
    network = model_of(folder, 36, 12).fit(window).model.forecaster.network.eval()
    with torch.no_grad():
        forecast = network.ahead(Patched(torch.from_numpy(SINE[None, :36, None]), None))[-1, 0, :, 0, 0]
    expected = (forecast - torch.from_numpy(SINE[12:48])).square().mean()
    found = model.trainer.callback_metrics["train_loss"] * model.model.loss_unit.spread.double().square().squeeze()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4, check_dtype=False)


def test_covariates_are_learnt_when_it_is_trained_further(folder):
    covariates = TimeSeries.from_values(np.cos(np.arange(90) / 5).astype("float32"))
    model = model_of(folder, 24, 5, n_epochs=1, enable_finetuning=True, optimizer_kwargs={"lr": 0.01})
    model.fit(SERIES, future_covariates=covariates, verbose=False)
    one, other = (
        model.predict(9, SERIES, future_covariates=given, verbose=False) for given in (covariates, covariates + 1)
    )
    assert np.abs(one.values() - other.values()).min() > 0


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_it_is_made_from_scratch_by_size(size):
    model = GPHTModel.scratch(size, 30, 5, n_epochs=0, pl_trainer_kwargs=TRAINER).fit(SERIES)
    stages = model.model.forecaster.network.hierarchy.stages
    assert [stage.pool_size for stage in stages] == list(GPHTModel.scratch_sizes[size]["pool_sizes"])
    assert stages[0].norm.weight.shape == (GPHTModel.scratch_sizes[size]["d_model"],)
    assert all(p.requires_grad for p in model.model.parameters())


@pytest.mark.parametrize("lookback", [1, 7, 20, 40, 168])
def test_sizes_to_start_from_fit_the_look_back(lookback):
    sizes = GPHTModel.starting_sizes(lookback, 12, 100)
    assert sizes["patch_length"] <= max(4, lookback)
    assert GPHTModel(lookback, 5, **sizes).model_params["pool_sizes"] == sizes["pool_sizes"]


def test_a_horizon_of_several_patches_as_a_file(tmp_path):
    model = GPHTModel(7, 5, pl_trainer_kwargs=TRAINER, n_epochs=0, **GPHTModel.tiny | {"pool_sizes": (3,)}).fit(SERIES)
    model.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession((tmp_path / "model.onnx").read_bytes())
    windows = np.random.default_rng(0).normal(size=(5, 7, 1)).astype("float32")
    windows[1, :4] = np.nan
    (got,) = session.run(None, {"past_target": windows})
    expected = predicted(model, 5, panel(windows))
    np.testing.assert_allclose(got[..., 0], expected, rtol=1e-5, atol=1e-5)
