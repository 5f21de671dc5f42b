"""AutoTimes as users have it: its language model read when it is needed, never saved, and trained only if asked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries

from darts_tsformers.models import AutoTimesModel
from tests.contracts.cases import TRAINER
from tests.helpers import exactly
from tests.language.languages import saved

SERIES = TimeSeries.from_values(np.sin(np.arange(60) / 3).astype("float32") * 3 + 10)
TINY = {"patch_length": 4, "d_hidden": 7}


def model_of(backbone: str, **arguments) -> AutoTimesModel:
    given = {"n_epochs": 1, "random_state": 3, "pl_trainer_kwargs": TRAINER} | TINY | arguments
    return AutoTimesModel(12, 4, backbone=backbone, **given)


def language_of(model: AutoTimesModel) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.model.forecaster.network.language.state_dict().items()}


def predicted(model: AutoTimesModel) -> np.ndarray:
    return model.predict(9, SERIES, verbose=False).values()


def test_nothing_is_read_before_fit():
    model = model_of("no/such-model")
    with pytest.raises(ValueError, match="backbone='no/such-model' must be a folder or a name on the hub"):
        model.fit(SERIES)


def test_a_saved_model_holds_a_digest_and_refuses_another(tmp_path):
    folder = saved(tmp_path / "language")
    model = model_of(folder).fit(SERIES)
    model.save(tmp_path / "model.pt")
    kept = torch.load(tmp_path / "model.pt.ckpt", weights_only=False)["state_dict"]
    assert [name for name in kept if ".language." in name] == ["forecaster.network.language.backbone.digest"]
    np.testing.assert_array_equal(predicted(AutoTimesModel.load(tmp_path / "model.pt")), predicted(model))
    saved(Path(folder), seed=2)
    with pytest.raises(ValueError, match="has other weights or settings than the one that this"):
        AutoTimesModel.load(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("finetuning", "moved"),
    [(None, set()), (True, {"h.0", "h.1", "ln_f", "wpe"}), ({"unfreeze": ["*.h.1.*", "*.encoder.*"]}, {"h.1"})],
    ids=["frozen", "all", "a layer"],
)
def test_it_is_trained_if_asked_and_what_is_trained_is_saved(tmp_path, finetuning, moved):
    folder = saved(tmp_path / "language")
    before = model_of(folder, n_epochs=0).fit(SERIES).model.forecaster.network.language.transformer.state_dict()
    model = model_of(folder, enable_finetuning=finetuning, optimizer_kwargs={"lr": 0.01}).fit(SERIES)
    after = model.model.forecaster.network.language.transformer.state_dict()
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert {".".join(name.split(".")[: 2 if name.startswith("h.") else 1]) for name in changed} == moved
    model.save(tmp_path / "model.pt")
    once = AutoTimesModel.load(tmp_path / "model.pt")
    once.save(tmp_path / "again.pt")
    np.testing.assert_array_equal(predicted(once), predicted(model))
    np.testing.assert_array_equal(predicted(AutoTimesModel.load(tmp_path / "again.pt")), predicted(model))


def test_adapters_are_trained_and_saved(tmp_path):
    folder = saved(tmp_path / "language")
    model = model_of(folder, lora_rank=2, optimizer_kwargs={"lr": 0.01}).fit(SERIES)
    kept = {name for name in language_of(model) if name != "backbone.digest"}
    assert kept
    assert all("lora_" in name or name.endswith("base_layer.bias") for name in kept)
    model.save(tmp_path / "model.pt")
    np.testing.assert_array_equal(predicted(AutoTimesModel.load(tmp_path / "model.pt")), predicted(model))


@pytest.mark.parametrize("start", [5, pd.Timestamp("2020-01-30")], ids=["numbers", "dates"])
def test_time_stamps_are_the_last_states_of_sentences(start):
    sizes = {"d_model": 6, "n_layers": 1, "n_heads": 2}
    model = model_of("random", backbone_sizes=sizes, marks="given")
    step = 1 if start == 5 else pd.Timedelta(days=1)
    index = pd.RangeIndex(5, 35) if start == 5 else pd.date_range(start, periods=30)
    series = TimeSeries.from_times_and_values(index, np.arange(30, dtype="float32"))
    marks = model.time_marks(series, 7)
    assert (marks.start_time(), len(marks), marks.n_components, marks.dtype) == (start, 37, 6, np.float32)
    model.fit(series, future_covariates=marks)
    assert len(model.predict(7, future_covariates=marks, verbose=False)) == 7
    language = model.model.forecaster.network.language
    for i in (0, 9, 36):
        ids = torch.tensor(language.tokenize([f"The time is from {start + i * step} to {start + (i + 3) * step}"]))
        np.testing.assert_allclose(marks.values()[i], language(language.embed(ids))[0, -1], rtol=1e-4, atol=1e-5)


def test_without_a_language_model_no_times_are_read():
    with pytest.raises(ValueError, match=exactly("backbone='none' must be a language model to read times")):
        model_of("none").time_marks(SERIES, 3)


@pytest.mark.parametrize("n", [-1, 1.5, "3"])
def test_time_stamps_are_for_a_number_of_steps(n):
    with pytest.raises(ValueError, match=exactly(f"n={n!r} must be an integer of at least 0")):
        model_of("random").time_marks(SERIES, n)


@pytest.mark.parametrize(
    "finetuning",
    [None, True, {"unfreeze": ["*.h.1.*"]}, {"freeze": ["*.h.0.*"]}],
    ids=["none", "all", "some", "others"],
)
def test_a_loaded_model_trains_on_what_it_trained_before(tmp_path, finetuning):
    model = model_of(saved(tmp_path / "language"), enable_finetuning=finetuning).fit(SERIES)
    trained = {name for name, weight in model.model.named_parameters() if weight.requires_grad}
    model.save(tmp_path / "model.pt")
    loaded = AutoTimesModel.load(tmp_path / "model.pt")
    assert {name for name, weight in loaded.model.named_parameters() if weight.requires_grad} == trained
    before = {name: weight.clone() for name, weight in loaded.model.named_parameters()}
    loaded.fit(SERIES, epochs=2)
    moved = {name for name, weight in loaded.model.named_parameters() if not torch.equal(weight, before[name])}
    assert moved
    assert moved <= trained
    if finetuning is not None:
        assert any(".h.1." in name for name in moved)


def test_weights_are_loaded_beside_a_language_model_that_has_moved(tmp_path):
    model = model_of(saved(tmp_path / "language")).fit(SERIES)
    model.save(tmp_path / "model.pt")
    moved = model_of(str((tmp_path / "language").rename(tmp_path / "moved")))
    with pytest.raises(ValueError, match=f"backbone='{tmp_path / 'language'}' must be a folder or a name on the hub"):
        AutoTimesModel.load(tmp_path / "model.pt")
    moved.load_weights(tmp_path / "model.pt", load_encoders=False, skip_checks=True)
    np.testing.assert_array_equal(predicted(moved), predicted(model))


def test_a_frozen_language_model_is_not_in_the_optimiser(tmp_path):
    model = model_of(saved(tmp_path / "language"), optimizer_cls=torch.optim.Adagrad, lora_rank=2).fit(SERIES)
    optimizer, module = model.trainer.optimizers[0], model.model
    inside = {weight for group in optimizer.param_groups for weight in group["params"]}
    assert inside == {weight for weight in module.parameters() if weight.requires_grad}
    assert set(optimizer.state) == inside
