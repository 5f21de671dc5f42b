"""Time-MoE as users have it: zero-shot from a folder in the hub's layout, and trained further."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from darts import TimeSeries
from darts.utils.likelihood_models.torch import QuantileRegression
from torch import nn

from darts_tsformers.models import TimeMoEModel
from tests.contracts.cases import TRAINER
from tests.helpers import exactly

GOLDEN = Path(__file__).parents[1] / "reference" / "golden" / "pretrained"
FOLDERS = {name: GOLDEN / f"timemoe_{name}_ckpt" for name in ("a", "b", "bf16", "dense")}
FILES = {name: dict(np.load(GOLDEN / f"timemoe_{name}.npz")) for name in FOLDERS}
SINE = np.sin(np.arange(60) / 3).astype("float32") * 3 + 10
SERIES = TimeSeries.from_values(SINE)


def panel(values: np.ndarray) -> list[TimeSeries]:
    return [TimeSeries.from_values(row) for row in values]


def model_of(name: str = "bf16", *lengths: int, **arguments) -> TimeMoEModel:
    return TimeMoEModel.from_pretrained(FOLDERS[name], *lengths, pl_trainer_kwargs=TRAINER, **arguments)


def predicted(model: TimeMoEModel, n: int, series, **arguments) -> np.ndarray:
    forecasts = model.predict(n, series, verbose=False, **arguments)
    return np.stack([one.values()[:, 0] for one in forecasts])


def test_the_recipe_of_the_readme():
    expected = FILES["bf16"]["f32/readme_forecast_13"]
    ours = predicted(model_of(), 13, panel(FILES["bf16"]["in/series"]))
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "n"), [("a", 97), ("a", 7), ("b", 40), ("b", 1), ("dense", 7), ("bf16", 13)])
def test_any_horizon_in_one_call_as_the_authors_code_does(name, n):
    model, series = model_of(name, use_instance_norm=False), panel(FILES[name]["in/x"])
    expected = FILES[name][f"f32/generate_{n}"]
    np.testing.assert_allclose(predicted(model, n, series), expected, rtol=1e-4, atol=1e-4)


def test_in_double_precision():
    ours = predicted(model_of("a", use_instance_norm=False), 40, panel(FILES["a"]["in/x"].astype("float64")))
    np.testing.assert_allclose(ours, FILES["a"]["f64/generate_40"], rtol=1e-9, atol=1e-9)


def test_series_of_different_lengths_are_forecast_as_each_alone():
    lengths = (60, 7, 23, 1)
    series = [TimeSeries.from_values(SINE[:length]) for length in lengths]
    together = predicted(model_of("a"), 11, series)
    for ours, one in zip(together, series, strict=True):
        alone = predicted(model_of("a", len(one)), 11, [one])[0]  # a look-back that is as long as the series
        np.testing.assert_allclose(ours, alone, rtol=1e-5, atol=1e-5)


def test_components_are_forecast_as_each_alone():
    joint = TimeSeries.from_values(np.stack([SINE, SINE[::-1] ** 2], axis=1))
    whole = model_of().predict(9, joint, verbose=False)
    for i in range(2):
        alone = model_of().predict(9, joint.univariate_component(i), verbose=False)
        np.testing.assert_allclose(whole.values()[:, i], alone.values()[:, 0], rtol=1e-5)


def test_before_fit_it_needs_a_series_and_takes_no_covariates():
    with pytest.raises(
        ValueError, match=exactly("series=None must be one or several series: the model was not fitted")
    ):
        model_of().predict(3)
    with pytest.raises(ValueError, match="covariates"):
        model_of().predict(3, SERIES, past_covariates=SERIES)


def test_after_fit_it_goes_on_by_blocks():
    model = model_of("bf16", 24, 8).fit(SERIES)
    first = model.predict(8, SERIES, verbose=False)
    np.testing.assert_allclose(
        first.values(), model_of("bf16", 24).predict(8, SERIES, verbose=False).values(), rtol=1e-6
    )
    assert len(model.predict(19, SERIES, verbose=False)) == 19


def changed(tmp_path: Path, **changes) -> Path:
    folder = tmp_path / "changed"
    shutil.copytree(FOLDERS["bf16"], folder)
    config = json.loads((folder / "config.json").read_text())
    config = {key: value for key, value in (config | changes).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_size": 2}, "config.json has input_size=2, which must be 1"),
        ({"model_type": "mixtral"}, "config.json has model_type='mixtral', which must be 'time_moe'"),
        ({"rope_scaling": {"type": "yarn"}}, "config.json has rope_scaling={'type': 'yarn'}, which is not known"),
        ({"horizon_lengths": None}, "config.json must have horizon_lengths"),
        ({"hidden_act": "swish"}, "activation='swish' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
        ({"apply_aux_loss": False}, "config.json has apply_aux_loss=False, which must be True as use_dense=False"),
        ({"horizon_lengths": [8, 1]}, "horizon_lengths=(8, 1) must be lengths that increase"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_asks_for_something_else_is_refused_by_name(tmp_path, changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        TimeMoEModel.from_pretrained(changed(tmp_path, **changes))


def test_weights_that_do_not_fit_are_named(tmp_path):
    folder = changed(tmp_path, num_hidden_layers=1)
    with pytest.raises(ValueError, match=r"without a place: model\.layers\.1\..* and \d+ more"):
        TimeMoEModel.from_pretrained(folder).predict(3, SERIES)


def tuned(**arguments) -> TimeMoEModel:
    arguments = {"n_epochs": 1, "random_state": 1, "optimizer_kwargs": {"lr": 0.01}} | arguments
    return model_of("bf16", 12, 5, **arguments).fit(SERIES, verbose=False)


@pytest.mark.parametrize(
    ("patterns", "moves"),
    [
        ({"unfreeze": ["*decoder.heads*"]}, lambda name: name.startswith("heads.")),
        ({"freeze": ["*experts*", "*router*"]}, lambda name: "experts" not in name and "router" not in name),
    ],
    ids=["heads", "all but experts"],
)
def test_what_is_trained_further_goes_by_patterns(patterns, moves):
    before, after = model_of("bf16", 12, 5).fit(SERIES), tuned(enable_finetuning=patterns)
    ours, theirs = (model.model.forecaster.network.decoder.state_dict() for model in (after, before))
    assert {name for name in ours if not torch.equal(ours[name], theirs[name])} == set(filter(moves, ours))


def test_a_pattern_that_fits_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"'\*lm_heads\*' must fit a parameter, such as "):
        tuned(enable_finetuning={"unfreeze": ["*lm_heads*"]})


def test_it_learns_by_all_heads_and_the_load_of_the_experts():
    model = tuned(enable_finetuning=True)
    logged = model.trainer.callback_metrics
    parts = {f"train_head_{length}" for length in (1, 8, 32, 64)} | {"train_balance"}
    assert parts < set(logged)
    torch.testing.assert_close(logged["train_loss"], sum(logged[part] for part in parts))


def test_covariates_are_learnt_when_it_is_trained_further():
    covariates = TimeSeries.from_values(np.cos(np.arange(90) / 5).astype("float32"))
    model = model_of("bf16", 12, 5, n_epochs=1, enable_finetuning=True, optimizer_kwargs={"lr": 0.01})
    model.fit(SERIES, future_covariates=covariates, verbose=False)
    one, other = (
        model.predict(9, SERIES, future_covariates=given, verbose=False) for given in (covariates, covariates + 1)
    )
    assert np.abs(one.values() - other.values()).min() > 0


def test_the_loss_is_that_of_the_authors_unless_another_is_chosen():
    criterion = tuned().model.criterion
    assert isinstance(criterion, nn.HuberLoss)
    assert criterion.delta == 2
    assert isinstance(tuned(loss_fn=nn.L1Loss()).model.criterion, nn.L1Loss)


def test_published_heads_have_no_likelihood():
    with pytest.raises(ValueError, match=r"of another shape: lm_heads\.0\.out_layer\.weight \(1, 24\) for \(3, 24\)"):
        tuned(likelihood=QuantileRegression([0.1, 0.5, 0.9]))


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_it_is_made_from_scratch_by_size(size):
    model = TimeMoEModel.scratch(size, 12, 5, n_epochs=0, pl_trainer_kwargs=TRAINER).fit(SERIES)
    assert model.model.forecaster.network.decoder.norm.weight.shape == (TimeMoEModel.scratch_sizes[size]["d_model"],)
    assert all(p.requires_grad for p in model.model.parameters())


def test_base_has_the_size_that_is_published():
    model = TimeMoEModel.scratch("base", 12, 5)
    with torch.device("meta"):
        from darts_tsformers.window import Sizes

        network = model.network_class(Sizes(12, 5), **model._network_params)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(113e6, rel=0.01)


def test_an_unknown_size_is_named():
    with pytest.raises(ValueError, match=exactly("size='huge' must be one of ['base', 'small', 'tiny']")):
        TimeMoEModel.scratch("huge", 12, 5)


def test_a_horizon_of_several_parts_as_a_file(tmp_path):
    model = TimeMoEModel(7, 6, pl_trainer_kwargs=TRAINER, n_epochs=0, **TimeMoEModel.tiny | {"n_decoder_layers": 1})
    model.fit(SERIES).to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession((tmp_path / "model.onnx").read_bytes())
    windows = np.random.default_rng(0).normal(size=(5, 7, 1)).astype("float32")
    windows[1, :4] = np.nan
    (got,) = session.run(None, {"past_target": windows})
    series = [TimeSeries.from_values(one) for one in windows]
    expected = np.stack([model.predict(6, one, verbose=False).values() for one in series])
    np.testing.assert_allclose(got[..., 0], expected, rtol=1e-5, atol=1e-5)
