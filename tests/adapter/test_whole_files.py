"""A save that fails or is killed at any step leaves the older model or the new one, and never parts of both."""

import importlib
import multiprocessing
import os
import shutil
import signal
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from darts_tsformers.adapter.files import onnx, pair, whole_files
from darts_tsformers.adapter.files.whole_files import whole_file
from darts_tsformers.models import TSFormerModel
from tests.adapter.kills import pair_of_models, what_is_there
from tests.contracts.cases import CASE, H, make_data

STEPS: list[tuple[object, str]] = [
    (pl.Trainer, "save_checkpoint"),
    (torch, "save"),
    (pair, "digest_of"),
    (pair, "flush"),
    (os, "replace"),
    (os, "fsync"),
]


@pytest.fixture(scope="module")
def models() -> tuple[TSFormerModel, TSFormerModel]:
    return pair_of_models()


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def failed() -> None:
    raise OSError(28, "No space left on device")


def stop_at(owner: object, name: str, count: int, how: Callable[[], None], *, after: bool) -> Callable[[], None]:
    """Let a function end in some way when it is called for the n-th time, before or after it has worked."""
    real, calls = getattr(owner, name), []

    def stopping(*args: object, **kwargs: object) -> object:
        calls.append(name)
        if len(calls) == count and not after:
            how()
        out = real(*args, **kwargs)
        if len(calls) == count and after:
            how()
        return out

    setattr(owner, name, stopping)
    return lambda: setattr(owner, name, real)


def save_and_stop(model: TSFormerModel, path: Path, step: tuple[object, str], count: int, *, after: bool) -> None:
    stop_at(*step, count, killed, after=after)
    model.save(path)


every_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])


@every_step
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_save_that_is_killed_leaves_one_model(models, step, after, tmp_path: Path):
    seen = set()
    for count in (1, 2, 3, 4):
        path = tmp_path / f"{count}.pt"
        models[0].save(path)
        context = multiprocessing.get_context("fork")
        writer = context.Process(target=save_and_stop, args=(models[1], path, step, count), kwargs={"after": after})
        writer.start()
        writer.join()
        found = what_is_there(path, models)
        assert found in ("older", "new")
        seen.add(found)
        models[0].save(path)
        assert what_is_there(path, models) == "older"
        assert sorted(os.listdir(tmp_path)) == [path.name, f"{path.name}.ckpt"]
        for one in tmp_path.iterdir():
            one.unlink()
    assert seen <= {"older", "new"}


@every_step
def test_a_save_that_fails_leaves_one_model_and_nothing_else(models, step, tmp_path: Path):
    for count in (1, 2, 3):
        path = tmp_path / "m.pt"
        models[0].save(path)
        undo = stop_at(*step, count, failed, after=False)
        try:
            models[1].save(path)
        except OSError:
            pass
        finally:
            undo()
        assert what_is_there(path, models) in ("older", "new")
        assert sorted(os.listdir(tmp_path)) == ["m.pt", "m.pt.ckpt"]


def test_several_writers_and_readers_of_one_path(models, tmp_path: Path):
    path = tmp_path / "m.pt"
    models[0].save(path)

    def work(i: int) -> str:
        if i % 3:
            return what_is_there(path, models)
        models[i % 2].save(path)
        return "older"

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(18))) <= {"older", "new"}
    assert sorted(os.listdir(tmp_path)) == ["m.pt", "m.pt.ckpt"]


def test_an_unfitted_model_over_a_fitted_one(models, tmp_path: Path):
    for count in (1, 2, 3):
        path = tmp_path / "m.pt"
        models[0].save(path)
        unfitted = CASE["PatchTSTModel"].model()
        writer = multiprocessing.get_context("fork").Process(
            target=save_and_stop, args=(unfitted, path, (os, "replace"), count), kwargs={"after": True}
        )
        writer.start()
        writer.join()
        loaded = TSFormerModel.load(path)
        assert loaded.model is None or what_is_there(path, models) == "older"


def test_weights_of_another_model_are_refused(models, tmp_path: Path):
    again = CASE["ITransformerModel"].model(random_state=1).fit(models[0].training_series)
    for name, model in zip("abc", (*models, again), strict=True):
        model.save(tmp_path / f"{name}.pt")
    for name in "bc":
        shutil.copy(tmp_path / f"{name}.pt.ckpt", tmp_path / "a.pt.ckpt")
        with pytest.raises(ValueError, match=r"a.pt.ckpt' must hold what save wrote with the model beside it"):
            TSFormerModel.load(tmp_path / "a.pt")
        weights = CASE["ITransformerModel"].model()
        with pytest.raises(ValueError, match=r"a.pt.ckpt' must hold what save wrote with the model beside it"):
            weights.load_weights(tmp_path / "a.pt")
        assert weights.model is None


def test_a_pair_that_is_moved_or_renamed_stays_one(models, tmp_path: Path):
    models[0].save(tmp_path / "a.pt")
    (tmp_path / "elsewhere").mkdir()
    for suffix in ("", ".ckpt"):
        (tmp_path / f"a.pt{suffix}").rename(tmp_path / "elsewhere" / f"b.model{suffix}")
    assert what_is_there(tmp_path / "elsewhere" / "b.model", models) == "older"


def test_a_link_is_followed(models, tmp_path: Path):
    (tmp_path / "store").mkdir()
    for suffix in ("", ".ckpt"):
        (tmp_path / f"m.pt{suffix}").symlink_to(tmp_path / "store" / f"m.pt{suffix}")
    models[0].save(tmp_path / "m.pt")
    assert (tmp_path / "m.pt").is_symlink()
    assert what_is_there(tmp_path / "m.pt", models) == "older"
    assert sorted(os.listdir(tmp_path / "store")) == ["m.pt", "m.pt.ckpt"]


def test_a_model_beside_it_whose_name_begins_alike_is_left_alone(models, tmp_path: Path):
    waiting = tmp_path / ".m.pt.v2.0123.part"
    waiting.write_text("of another model")
    models[0].save(tmp_path / "m.pt")
    assert waiting.exists()


def test_a_folder_that_is_not_there_is_not_made(models, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        models[0].save(tmp_path / "nowhere" / "m.pt")
    assert not (tmp_path / "nowhere").exists()


def test_a_model_can_be_read_where_nothing_can_be_written(models, tmp_path: Path):
    models[0].save(tmp_path / "m.pt")
    tmp_path.chmod(0o500)
    try:
        assert what_is_there(tmp_path / "m.pt", models) == "older"
    finally:
        tmp_path.chmod(0o700)


def test_a_file_alone_is_whole_or_as_it_was(tmp_path: Path):
    path = tmp_path / "a.onnx"
    with whole_file(path) as part:
        part.write_text("older")

    def write_half() -> None:
        with whole_file(path) as part:
            part.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "older"
    assert os.listdir(tmp_path) == ["a.onnx"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_without_locks_a_model_is_written_all_the_same(models, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(whole_files, "fcntl", None)
    models[0].save(tmp_path / "m.pt")
    assert what_is_there(tmp_path / "m.pt", models) == "older"


def test_an_archive_is_opened_with_a_bound_on_what_it_inflates_to(models, tmp_path: Path):
    models[0].save(tmp_path / "m.pt")
    for suffix in ("", ".ckpt"):
        bomb = tmp_path / f"b.pt{suffix}"
        shutil.copy(tmp_path / "m.pt.ckpt", tmp_path / "b.pt.ckpt")
        shutil.copy(tmp_path / "m.pt", tmp_path / "b.pt")
        with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{archive.namelist()[0].partition('/')[0]}/data/bomb", bytes(2**25))
        with pytest.raises(ValueError, match=r"must be a file written by save: its \d+ bytes would inflate to 33\d+"):
            TSFormerModel.load(tmp_path / "b.pt")


def test_onnxruntime_is_told_to_write_nothing_home_unless_its_user_wants_it(monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    importlib.reload(onnx)
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    importlib.reload(onnx)
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_forecasts_after_a_second_save_are_those_of_the_second(tmp_path: Path):
    path = tmp_path / "m.pt"
    model = CASE["ITransformerModel"].model()
    series = make_data(2, ()).series
    model.fit(series).save(path)
    model.fit(series, epochs=2).save(path)
    assert np.array_equal(TSFormerModel.load(path).predict(H).values(), model.predict(H).values())
