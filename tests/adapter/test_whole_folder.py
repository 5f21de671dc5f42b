"""Files of a folder are replaced together or not at all."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from darts_tsformers.adapter.files import whole_folder
from darts_tsformers.adapter.files.whole_folder import replace_files

NAMES = ("a.csv", "b.json", "c.pt")


def written(folder: Path, text: str = "new") -> Path:
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_text(text)
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def all_of(text: str) -> dict[str, str]:
    return dict.fromkeys(NAMES, text)


@pytest.mark.parametrize("others", [{}, {"notes.txt": "mine"}], ids=["alone", "with-others"])
@pytest.mark.parametrize("there", [(), NAMES[1:], NAMES], ids=["none", "some", "all"])
def test_all_are_there_and_others_stay(there, others, tmp_path: Path):
    out = tmp_path / "out"
    if there or others:
        out.mkdir()
        for name, text in {**dict.fromkeys(there, "older"), **others}.items():
            (out / name).write_text(text)
    replace_files(written(tmp_path / "w"), out, NAMES)
    assert texts(out) == all_of("new") | others


def fail_at(monkeypatch, count: int, error: BaseException) -> None:
    replace, calls = os.replace, []

    def failing(*args: object, **kwargs: object) -> None:
        calls.append(args)
        if len(calls) == count:
            raise error
        replace(*args, **kwargs)

    monkeypatch.setattr(os, "replace", failing)


@pytest.mark.parametrize("there", [NAMES[1:], NAMES], ids=["some", "all"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_error_puts_back_what_was_there(there, count, tmp_path: Path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    before = {**dict.fromkeys(there, "older"), "notes.txt": "mine"}
    for name, text in before.items():
        (out / name).write_text(text)
    fail_at(monkeypatch, count, OSError(16, "Device or resource busy"))
    with pytest.raises(OSError, match="busy"):
        replace_files(written(tmp_path / "w"), out, NAMES)
    assert texts(out) == before


def test_a_signal_waits_until_all_are_there(tmp_path: Path, monkeypatch):
    out = tmp_path / "out"
    written(out, "older")
    (out / "notes.txt").write_text("mine")
    came: list[int] = []
    monkeypatch.setattr(os, "replace", _signalling(os.replace))
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(len(texts_of_new(out))))
    try:
        replace_files(written(tmp_path / "w"), out, NAMES)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [len(NAMES)]


def _signalling(replace):
    def replacing(*args: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        replace(*args)

    return replacing


def texts_of_new(folder: Path) -> list[str]:
    return [name for name in NAMES if (folder / name).read_text() == "new"]


def _killed_in(owner_of, name: str, tmp_path: Path) -> None:
    real = getattr(owner_of, name)

    def killing(*args: object, **kwargs: object) -> object:
        if args[:1] == (tmp_path / "w",):
            real(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner_of, name, killing)
    replace_files(tmp_path / "w", tmp_path / "out", NAMES)


@pytest.mark.parametrize("there", [False, True], ids=["new", "older"])
def test_a_kill_right_after_the_one_rename_finds_them_all_replaced(there, tmp_path: Path):
    if there:
        written(tmp_path / "out", "older")
    written(tmp_path / "w")
    step = (whole_folder, "_exchange") if there else (os, "rename")
    process = multiprocessing.get_context("fork").Process(target=_killed_in, args=(*step, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert texts(tmp_path / "out") == all_of("new")


def test_where_folders_cannot_be_exchanged_files_are(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(whole_folder, "_exchange", lambda *_: False)
    written(tmp_path / "out", "older")
    replace_files(written(tmp_path / "w"), tmp_path / "out", NAMES)
    assert texts(tmp_path / "out") == all_of("new")


def test_the_folder_that_a_program_is_in_stays_the_same(tmp_path: Path, monkeypatch):
    out = written(tmp_path / "out", "older")
    monkeypatch.chdir(out)
    inode = out.stat().st_ino
    replace_files(written(tmp_path / "w"), out, NAMES)
    assert out.stat().st_ino == inode
    assert texts(Path.cwd()) == all_of("new")


def test_a_link_to_a_folder_stays_one(tmp_path: Path):
    written(tmp_path / "store", "older")
    (tmp_path / "out").symlink_to(tmp_path / "store")
    replace_files(written(tmp_path / "w"), tmp_path / "out", NAMES)
    assert (tmp_path / "out").is_symlink()
    assert texts(tmp_path / "store") == all_of("new")
