"""PatchTSMixer as users have it: with the weights of a checkpoint of transformers, and with a loss on means."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from darts import TimeSeries
from darts.utils.likelihood_models.torch import PoissonLikelihood
from safetensors.torch import load_file, save_file
from transformers import PatchTSMixerConfig, PatchTSMixerForPrediction

from darts_tsformers.models import PatchTSMixerModel
from darts_tsformers.window import Window
from tests.contracts.cases import TRAINER
from tests.helpers import draw, exactly, scatter_

L, H, C = 23, 7, 3
VALUES = (draw(41, C, seed=4).numpy() * [1, 5, 0.5] + [0, 20, -3]).astype("float32")
SERIES = TimeSeries.from_values(VALUES)
SIZES = {
    "context_length": L,
    "prediction_length": H,
    "num_input_channels": C,
    "patch_length": 5,
    "patch_stride": 3,
    "d_model": 6,
    "num_layers": 2,
}
FORMS = {
    "plain": {},
    "no gates": {"gated_attn": False, "expansion_factor": 3},
    "mix": {"mode": "mix_channel"},
    "mix, no gates": {"mode": "mix_channel", "gated_attn": False, "norm_mlp": "BatchNorm"},
    "attention": {"self_attn": True, "self_attn_heads": 3},
    "attention, batch norm": {"self_attn": True, "self_attn_heads": 2, "norm_mlp": "BatchNorm"},
    "sincos": {"use_positional_encoding": True},
    "random positions": {"use_positional_encoding": True, "positional_encoding_type": "random"},
    "mean": {"scaling": "mean"},
    "unscaled": {"scaling": None},
    "scaled by default": {"scaling": True},
    "one patch": {"patch_length": 20, "patch_stride": 5},
}


def saved(folder: Path, **changes) -> PatchTSMixerForPrediction:
    """Save a small model of random weights."""
    theirs = scatter_(PatchTSMixerForPrediction(PatchTSMixerConfig(**SIZES | changes))).eval()
    theirs.save_pretrained(folder)
    return theirs


def model_of(folder: Path, **arguments) -> PatchTSMixerModel:
    return PatchTSMixerModel.from_pretrained(folder, pl_trainer_kwargs=TRAINER, **arguments)


def changed(folder: Path, **changes) -> Path:
    """Save a model, and change what its configuration says; None leaves it out."""
    saved(folder)
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return folder


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_it_forecasts_as_transformers_does(tmp_path, form):
    theirs = saved(tmp_path, **form)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(VALUES[None, -L:])).prediction_outputs[0].numpy()
    forecast = model_of(tmp_path).predict(H, SERIES, verbose=False).values()
    np.testing.assert_allclose(forecast, expected, rtol=1e-5, atol=1e-5)


def test_any_number_of_components_and_steps_is_forecast_and_each_component_as_if_alone(tmp_path):
    saved(tmp_path)
    wide = TimeSeries.from_values(np.concatenate([VALUES, VALUES[:, :2] ** 2], axis=1))
    forecast = model_of(tmp_path).predict(11, wide, verbose=False)
    assert forecast.values().shape == (11, 5)
    alone = model_of(tmp_path).predict(11, wide.univariate_component(4), verbose=False)
    np.testing.assert_allclose(forecast.values()[:, 4:], alone.values(), rtol=1e-5)


def test_a_saved_model_needs_the_folder_no_more(tmp_path):
    saved(tmp_path / "theirs")
    model = model_of(tmp_path / "theirs").fit(SERIES)
    expected = model.predict(H, verbose=False)
    model.save(tmp_path / "ours.pt")
    (tmp_path / "theirs" / "model.safetensors").unlink()
    found = PatchTSMixerModel.load(tmp_path / "ours.pt").predict(H, SERIES, verbose=False)
    np.testing.assert_array_equal(found.values(), expected.values())


def test_covariates_and_further_heads_start_where_the_checkpoint_left_off_and_learn(tmp_path):
    saved(tmp_path)
    known = TimeSeries.from_values(draw(60, 2, seed=8).numpy())
    heads = {"cross_channel_context": 1, "hierarchy": 2}
    tuned = model_of(tmp_path, n_epochs=0, enable_finetuning=True, **heads).fit(SERIES, future_covariates=known)
    start = tuned.predict(H, future_covariates=known, verbose=False).values()
    np.testing.assert_allclose(start, model_of(tmp_path).predict(H, SERIES, verbose=False).values(), rtol=1e-5)
    tuned.fit(SERIES, future_covariates=known, epochs=1, verbose=False)
    assert np.abs(tuned.predict(H, future_covariates=known, verbose=False).values() - start).min() > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "nll"}, "config.json has loss='nll', which must be 'mse'"),
        ({"prediction_channel_indices": [0]}, "config.json has prediction_channel_indices=[0], which must be None"),
        ({"norm_eps": 0.1}, "config.json has norm_eps=0.1, which must be 1e-05"),
        ({"model_type": "patchtst"}, "config.json has model_type='patchtst', which must be 'patchtsmixer'"),
        ({"rope": 3}, "config.json has rope=3, which is not known"),
        ({"d_model": None}, "config.json must have d_model"),
        ({"context_length": None}, "config.json must have context_length"),
        (
            {"norm_mlp": "RMSNorm"},
            "config.json has norm_mlp='RMSNorm', which must be one of ['LayerNorm', 'BatchNorm']",
        ),
        (
            {"scaling": "robust"},
            "config.json has scaling='robust', which must be one of ['std', True, 'mean', None, False]",
        ),
        (
            {"positional_encoding_type": "rope"},
            "config.json has positional_encoding_type='rope', which must be one of ['random', 'sincos']",
        ),
        ({"mode": "flatten"}, "mode='flatten' must be one of ['common_channel', 'mix_channel']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_asks_for_something_else_is_refused_by_name(tmp_path, changes, message):
    folder = changed(tmp_path, **changes)
    with pytest.raises(ValueError, match=exactly(message)):
        model_of(folder)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"input_chunk_length": 24}, "input_chunk_length=24 must be context_length=23 of config.json"),
        ({"output_chunk_length": 5}, "output_chunk_length=5 must be prediction_length=7 of config.json"),
    ],
    ids=["look-back", "horizon"],
)
def test_lengths_other_than_those_of_the_checkpoint_are_refused(tmp_path, lengths, message):
    saved(tmp_path)
    with pytest.raises(ValueError, match=exactly(message)):
        model_of(tmp_path, **lengths)


def test_mixed_channels_must_be_as_many_as_in_the_checkpoint(tmp_path):
    saved(tmp_path, mode="mix_channel")
    message = "series has 2 components, but must have num_input_channels=3 of config.json, as it has mode='mix_channel'"
    with pytest.raises(ValueError, match=exactly(message)):
        model_of(tmp_path).predict(H, TimeSeries.from_values(VALUES[:, :2]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("head.base_forecast_block.bias"), r"missing: head\.bias$"),
        (lambda w: w.update({"head.extra": torch.zeros(1)}), r"without a place: head\.extra$"),
        (
            lambda w: w.update({"model.encoder.patcher.weight": torch.zeros(2, 5)}),
            r"of another shape: model\.encoder\.patcher\.weight \(2, 5\) for \(6, 5\)$",
        ),
    ],
    ids=["missing", "surplus", "misshapen"],
)
def test_weights_that_do_not_fit_are_named(tmp_path, change, message):
    saved(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        model_of(tmp_path).predict(H, SERIES)


def test_a_pickle_is_refused(tmp_path):
    saved(tmp_path)
    torch.save({}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.safetensors' must be a safetensors file"):
        model_of(tmp_path).predict(H, SERIES)


def test_the_head_for_means_learns_them_where_the_loss_counts_them():
    """An untrained head for means does not touch the forecast, and hardly learns from it."""
    steps = np.arange(200)
    waves = TimeSeries.from_values((np.sin(steps / 3) + np.cos(steps / 5)).astype("float32"))
    missed = []
    for weight in (0.0, 0.5):
        model = PatchTSMixerModel(
            24,
            7,
            hierarchy=3,
            hierarchy_weight=weight,
            n_epochs=12,
            optimizer_kwargs={"lr": 0.01},
            random_state=0,
            pl_trainer_kwargs=TRAINER,
            **PatchTSMixerModel.tiny,
        ).fit(waves[:-7], verbose=False)
        window = Window(torch.from_numpy(waves.values()[-31:-7][None].copy()))
        module = model.model.eval().forecaster
        with torch.no_grad():
            seen, statistics = module._seen(window)
            means = module._restored(module.network._forecast(seen)[1], statistics)[0, :, 0, 0]
        future = torch.from_numpy(waves.values()[-7:, 0].copy())
        missed.append((means - torch.stack([patch.mean() for patch in future.split(3)])).abs().mean())
    assert missed[1] < 0.15
    assert missed[1] < missed[0] / 2


def test_means_have_no_weight_with_a_likelihood():
    message = "hierarchy_weight=0.5 needs a point forecast: likelihood=PoissonLikelihood"
    with pytest.raises(ValueError, match=message):
        PatchTSMixerModel(24, 7, hierarchy=3, hierarchy_weight=0.5, likelihood=PoissonLikelihood())
