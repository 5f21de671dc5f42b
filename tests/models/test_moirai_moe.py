"""Moirai-MoE as users have it: zero-shot from a folder in the hub's layout, trained further, and from the start."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from darts import TimeSeries
from safetensors.torch import load_file, save_file

from darts_tsformers.models import MoiraiMoEModel
from darts_tsformers.networks import Forecaster, MoiraiMoE
from darts_tsformers.window import Sizes, Window
from tests.contracts.cases import TRAINER
from tests.helpers import exactly

FOLDER = Path(__file__).parents[1] / "reference" / "golden" / "pretrained" / "moirai_moe_a_ckpt"
STEPS = np.arange(90)
SINE = np.sin(STEPS / 3).astype("float32") * 3 + 10
SERIES = TimeSeries.from_values(SINE[:60])
CALENDAR = TimeSeries.from_values(np.cos(STEPS / 5).astype("float32"))


def model_of(folder: Path = FOLDER, *lengths: int, **arguments) -> MoiraiMoEModel:
    options = {"accept_license": True, "n_paths": 7, "pl_trainer_kwargs": TRAINER} | arguments
    return MoiraiMoEModel.from_pretrained(folder, *lengths, **options)


def predicted(model: MoiraiMoEModel, n: int, series, **arguments) -> np.ndarray:
    return model.predict(n, series, verbose=False, **arguments).all_values()


def network_of(model: MoiraiMoEModel) -> MoiraiMoE:
    return model.model.forecaster.network


def test_the_licence_has_to_be_accepted():
    message = "accept_license=False must be True to load published weights"
    with pytest.raises(ValueError, match=message):
        MoiraiMoEModel.from_pretrained(FOLDER)
    with pytest.raises(ValueError, match=message):
        MoiraiMoEModel(24, 6, hub_model_name="Salesforce/moirai-moe-1.0-R-small")
    assert MoiraiMoEModel(24, 6).model_params["accept_license"] is False


def test_a_loss_that_would_have_no_part_is_refused():
    with pytest.raises(
        ValueError, match=exactly("loss_fn=L1Loss() must be left out: MoiraiMoEModel learns by its likelihood")
    ):
        MoiraiMoEModel(24, 6, loss_fn=torch.nn.L1Loss())


@pytest.mark.parametrize("source", ["/no/such/folder", "./missing", Path("two/folders/deep")], ids=str)
def test_a_folder_that_does_not_exist_is_named(source):
    message = f"source={str(source)!r} must be a folder that exists or a repository on the hub, owner/name"
    with pytest.raises(ValueError, match=exactly(message)):
        MoiraiMoEModel.from_pretrained(source, accept_license=True)


def test_the_weights_of_the_folder_are_those_of_the_network():
    model = model_of(FOLDER, 48, 16).fit(SERIES)
    ours, theirs = network_of(model).decoder.state_dict(), load_file(FOLDER / "model.safetensors")
    assert len(ours) == len(theirs)
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[MoiraiMoEModel.key_map.ours(name)].to(weight.dtype), weight)


def test_double_precision_keeps_the_centroids_as_they_are():
    model = model_of(FOLDER, 48, 16).fit(SERIES.astype("float64"))
    assert torch.equal(network_of(model).decoder.centroids, load_file(FOLDER / "model.safetensors")["encoder.centroid"])


def test_a_forecast_without_training_is_the_networks():
    values = predicted(model_of(use_instance_norm=False), 20, SERIES)
    model = model_of(FOLDER, 512, 20, use_instance_norm=False, min_input_chunk_length=1).fit(SERIES)
    sizes = Sizes(512, 20)
    network = MoiraiMoE(sizes, **model._network_params).eval()
    network.load_state_dict(network_of(model).state_dict())
    target = torch.full((1, 512, 1), torch.nan)
    target[0, -60:, 0] = torch.from_numpy(SINE[:60])
    expected = Forecaster(network, use_instance_norm=False).eval()(Window(target))
    np.testing.assert_allclose(values[..., 0], expected[0, ..., 0].detach().numpy(), rtol=1e-4)


def test_covariates_are_read_without_any_training():
    model = model_of()
    plain = predicted(model, 40, SERIES, future_covariates=CALENDAR[:-10].append_values(np.zeros(20)))
    other = predicted(model, 40, SERIES, future_covariates=CALENDAR.append_values(np.ones(10)))
    assert np.abs(plain - other).max() > 0
    assert np.isfinite(predicted(model, 9, SERIES, past_covariates=CALENDAR, future_covariates=CALENDAR)).all()
    assert predicted(model, 9, SERIES.stack(SERIES**2)).shape == (9, 2, 1)


def test_series_of_different_lengths_are_forecast_as_each_alone():
    lengths = (60, 16, 32, 5)
    series = [SERIES[:length] for length in lengths]
    together = model_of().predict(18, series, verbose=False)
    for ours, one in zip(together, series, strict=True):
        alone = predicted(model_of(FOLDER, -(-len(one) // 16) * 16), 18, one)
        np.testing.assert_allclose(ours.values(), alone[..., 0], rtol=1e-4)


def test_the_same_seed_draws_the_same_paths_and_quantiles_are_theirs():
    model = model_of()
    paths, again = (predicted(model, 20, SERIES, num_samples=30, random_state=4) for _ in range(2))
    other = predicted(model, 20, SERIES, num_samples=30, random_state=5)
    assert paths.shape == (20, 1, 30)
    np.testing.assert_array_equal(paths, again)
    assert not np.array_equal(paths, other)
    forecast = model.predict(20, SERIES, num_samples=30, random_state=4, verbose=False)
    np.testing.assert_allclose(forecast.quantile(0.9).values(), np.quantile(paths, 0.9, axis=-1), rtol=1e-6)


def changed(tmp_path: Path, **changes) -> Path:
    folder = tmp_path / "changed"
    shutil.copytree(FOLDER, folder)
    config = json.loads((folder / "config.json").read_text())
    config = {key: value for key, value in (config | changes).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 96}, "config.json has d_model=96, which must be a multiple of 64"),
        ({"scaling": False}, "config.json has scaling=False, which must be True"),
        ({"attn_dropout_p": 0.1}, "config.json has attn_dropout_p=0.1, which must be 0.0"),
        ({"window": 3}, "config.json has window=3, which is not known"),
        ({"patch_sizes": None}, "config.json must have patch_sizes"),
        ({"max_seq_len": 30}, "max_patches=30 must be at least 38, the patches of 16 steps in look-back and horizon"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_asks_for_something_else_is_refused_by_name(tmp_path, changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        model_of(changed(tmp_path, **changes))


def test_another_distribution_is_refused_and_never_imported(tmp_path):
    folder = changed(tmp_path, distr_output={"_target_": "os.system", "command": "true"})
    with pytest.raises(ValueError, match=r"config.json has distr_output=\{'_target_': 'os.system'"):
        model_of(folder)


def test_a_width_that_is_left_out_is_that_of_the_authors_code():
    config = json.loads((FOLDER / "config.json").read_text()) | {"d_ff": None}
    assert MoiraiMoEModel.architecture(config)["d_ff"] == 176
    assert MoiraiMoEModel.architecture(config | {"d_model": 384})["n_heads"] == 6


def test_weights_that_do_not_fit_are_named(tmp_path):
    folder = changed(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["encoder.extra"] = weights.pop("encoder.norm.weight")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"missing: norm\.weight; without a place: encoder\.extra"):
        model_of(folder).predict(3, SERIES)


@pytest.mark.parametrize(
    ("patterns", "moves"),
    [
        ({"unfreeze": ["*decoder.heads*"]}, lambda name: name.startswith("heads.")),
        ({"freeze": ["*experts*"]}, lambda name: "experts" not in name and name != "centroids"),
    ],
    ids=["heads", "all but experts"],
)
def test_what_is_trained_further_goes_by_patterns(patterns, moves):
    before = model_of(FOLDER, 32, 16).fit(SERIES)
    arguments = {"n_epochs": 2, "random_state": 1, "optimizer_kwargs": {"lr": 0.01}}
    after = model_of(FOLDER, 32, 16, enable_finetuning=patterns, **arguments).fit(SERIES, verbose=False)
    ours, theirs = (network_of(model).decoder.state_dict() for model in (after, before))
    moved = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    expected = set(filter(moves, ours))
    idle = {name for name in expected if ".normal_loc." in name}  # learns only from values next to it
    assert expected - idle <= moved <= expected


def test_a_saved_model_needs_the_folder_no_more(tmp_path):
    model = model_of(shutil.copytree(FOLDER, tmp_path / "folder"), 32, 16).fit(SERIES)
    expected = predicted(model, 20, SERIES)
    model.save(str(tmp_path / "model.pt"))
    shutil.rmtree(tmp_path / "folder")
    loaded = MoiraiMoEModel.load(str(tmp_path / "model.pt"))
    np.testing.assert_allclose(predicted(loaded, 20, SERIES), expected, rtol=1e-6)


def test_it_learns_a_season_from_the_start():
    series = TimeSeries.from_values(np.sin(np.arange(130) * 2 * np.pi / 8).astype("float32"))
    options = {"n_epochs": 15, "batch_size": 16, "random_state": 0, "optimizer_kwargs": {"lr": 3e-3}}
    model = MoiraiMoEModel.scratch("tiny", 32, 8, pl_trainer_kwargs=TRAINER, n_paths=25, **options)
    forecast = model.fit(series[:-8], verbose=False).predict(8, verbose=False)
    assert np.abs(forecast.values() - series[-8:].values()).mean() < 0.2
    losses = [loss for loss, _ in model.model.loss_history]
    assert losses[-1] < losses[0]


def test_small_has_its_size():
    assert MoiraiMoEModel.scratch("small", 32, 16)._network_params["d_model"] == 128


@pytest.mark.parametrize(
    ("sizes", "millions"),
    [(MoiraiMoEModel.scratch_sizes["base"], 117), ({"d_model": 768, "d_ff": 1024, "n_decoder_layers": 12}, 935)],
    ids=["small", "base"],
)
def test_published_sizes_have_as_many_parameters_as_the_paper_says(sizes, millions):
    sizes = {"n_heads": 12, "n_experts": 32} | sizes
    with torch.device("meta"):
        network = MoiraiMoE(Sizes(512, 96), **sizes)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(millions * 1e6, rel=0.01)
