"""Figures say when and where they were measured, each for itself."""

import shutil
import subprocess

import pytest

from benchmarks.core.environment import circumstances, commit
from benchmarks.core.figures import environment_of
from benchmarks.core.where import where

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def measured(day, **said):
    return {"at": f"{day}T12:00:00+00:00", "environment": {"cores": 2} | said}


def test_circumstances_are_time_load_and_environment():
    found = circumstances("cpu")
    assert list(found) == ["at", "load", "environment"]
    assert found["environment"]["device"] == "cpu"


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "benchmarks" / "code.py").write_text("1")
    identity = ["-c", "user.name=one", "-c", "user.email=one@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*identity, "commit", "--quiet", "--message", "first"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


@needs_git
def test_a_commit_has_a_plus_once_code_differs_from_it(checkout):
    clean = commit(checkout)
    assert len(clean) >= 4
    (checkout / "benchmarks" / "results" / "race.json").write_text("{}")
    (checkout / "notes.txt").write_text("no code")
    assert commit(checkout) == clean
    (checkout / "benchmarks" / "code.py").write_text("2")
    assert commit(checkout) == f"{clean}+"


@needs_git
def test_no_commit_is_named_where_there_is_no_checkout(checkout):
    (checkout / "unpacked").mkdir()
    assert commit(checkout / "unpacked") is None


def test_what_differs_between_figures_is_joined():
    figures = {"points": [measured("2026-01-01", torch="1"), measured("2026-01-02", torch="2", darts="3")]}
    assert environment_of(figures) == {"cores": "2", "torch": "1 and 2", "darts": "3"}
    assert environment_of({}) == {}


def test_benchmarks_of_one_place_are_named_together_with_their_days_and_commits():
    found = {
        "race": {"points": [measured("2026-01-03", processor="New", commit="b+")]},
        "trials": {"cases": {"old": measured("2026-01-01", processor="Old"), "new": measured("2026-01-02")}},
        "other": {"points": [measured("2026-01-01", processor="New", commit="a")]},
    }
    assert where(found).splitlines() == [
        "- race (at b+), other (at a): cores 2, processor New; measured 2026-01-01 to 2026-01-03.",
        "- trials: cores 2, processor Old; measured 2026-01-01 to 2026-01-02.",
    ]


def test_two_processors_of_a_benchmark_are_both_named():
    cases = {name: measured("2026-01-01", processor=name) for name in ("Old", "New")}
    assert where({"trials": {"cases": cases}}) == "- trials: cores 2, processor Old and New; measured 2026-01-01."
