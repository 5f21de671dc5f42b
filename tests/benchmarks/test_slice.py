"""Every figure of the slice is what it was: a change that moves one has to say so by storing a new one."""

import logging
import os
from functools import partial

import pytest

from benchmarks.accuracy import parity, slice
from benchmarks.core import trial
from benchmarks.core.store import RESULTS, load
from benchmarks.core.stored import Held
from benchmarks.core.trial import Trials
from darts_tsformers import models
from tests.reference._golden import FOLDER, names

HELD = {one.trials.name: one for one in [slice.HELD, *parity.HELD]}
CASES = [
    pytest.param(one, case, id=f"{name}, {case}")
    for name, one in HELD.items()
    for case in one.trials.cases
    if os.environ.get("ALL_FORMS") or not case.startswith("demand")
]
"""The furnace has every model, with gaps; the demand, which `make slice` adds, those whose sizes were chosen."""


@pytest.fixture(autouse=True)
def _log_as_before(monkeypatch):
    """The trainer of the benchmarks turns logging off; this is put back."""
    monkeypatch.setattr(logging.root.manager, "disable", logging.root.manager.disable)


def stored(held):
    return load(RESULTS / "cpu" / f"{held.trials.name}.json")


@pytest.mark.parametrize(("held", "case"), CASES)
def test_figures_stay(held, case):
    faults = held.faults(case, held.trials.cases[case](), stored(held))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
def test_each_case_has_figures_and_each_figure_a_case(held):
    faults = held.unpaired(stored(held))
    assert not faults, "\n".join(faults)


def test_every_model_is_trained():
    everyone = slice.models() | slice.tiny()
    built = {build.args[0].__name__ for build in everyone.values()}
    assert built == {name for name in models.__all__ if name.endswith("Model")} - {"TSFormerModel"}
    assert {f"furnace, {name}" for name in everyone} < set(slice.SLICE.cases)
    assert {f"demand, {name}" for name in slice.models()} < set(slice.SLICE.cases)


def test_every_golden_file_is_compared():
    compared = [name for prefix in parity.REFERENCES for name in names(prefix)]
    assert set(compared) == {path.stem for path in FOLDER.glob("*.npz")}


def found(**figures):
    return figures


def held(**cases):
    trials = Trials("tiny", "Tiny", {name: partial(found, **figures) for name, figures in cases.items()})
    return Held(trials, moves={"mse": 0.01}, bounds={"difference": 1e-6})


FIGURES = {"windows": 3, "mse": 0.5, "difference": 2e-7}
ONE = held(case=FIGURES)
KEPT = {"cases": {"case": {"result": FIGURES}}}
REMEDY = (
    "If that is wanted: rm benchmarks/results/cpu/tiny.json && python -m benchmarks run --only tiny && "
    "python -m benchmarks report"
)


@pytest.mark.parametrize("moved", [{}, {"mse": 0.5049, "difference": 9e-7}, {"mse": 0.4951, "difference": 0.0}])
def test_what_stays_within_the_tolerance_is_no_fault(moved):
    assert ONE.faults("case", FIGURES | moved, KEPT) == []


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ({"windows": 4}, "windows is 4, stored 3"),
        ({"mse": 0.506}, "mse is 0.506, stored 0.5: it moved by 1.20%, 1.00% allowed"),
        ({"mse": 0.494}, "mse is 0.494, stored 0.5: it moved by 1.20%, 1.00% allowed"),
        ({"mse": float("nan")}, "mse is nan, stored 0.5: it moved by nan%, 1.00% allowed"),
        ({"mse": None}, "mse is None, stored 0.5"),
        ({"mae": 0.1}, "mae is 0.1, stored None"),
        ({"difference": 2e-6}, "difference is 2e-06, at most 1e-06 allowed"),
        ({"difference": float("nan")}, "difference is nan, at most 1e-06 allowed"),
    ],
)
def test_what_moved_is_named_with_the_way_to_store_it(moved, words):
    assert ONE.faults("case", FIGURES | moved, KEPT) == [f"tiny, case: {words}. {REMEDY}"]


def test_a_figure_that_is_no_longer_found_is_a_fault():
    found_now = {"windows": 3, "difference": 0.0}
    assert ONE.faults("case", found_now, KEPT) == [f"tiny, case: mse is None, stored 0.5. {REMEDY}"]


def test_a_case_without_stored_figures_is_a_fault_and_so_are_figures_without_a_case():
    other = held(other={"mse": 0.5})
    assert other.faults("other", {"mse": 0.5}, KEPT) == [f"tiny, other: mse is 0.5, stored None. {REMEDY}"]
    missing, left = other.unpaired(KEPT)
    assert missing == f"tiny: 'other' has no figures stored. {REMEDY}"
    assert left == f"tiny: 'case' is stored but is no case. {REMEDY}"
    assert ONE.unpaired(KEPT) == []
    for nothing in ({}, {"cases": {"case": {"broken": "KeyError"}}}):
        assert len(ONE.unpaired(nothing)) == 1


def test_a_move_is_stored_once_the_file_is_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "once", lambda case, **_: case())
    path, moved = tmp_path / "tiny.json", held(case=FIGURES | {"mse": 0.7})
    list(trial.run(ONE.trials, path))
    list(trial.run(moved.trials, path))
    assert len(moved.faults("case", moved.trials.cases["case"](), load(path))) == 1
    path.unlink()
    list(trial.run(moved.trials, path))
    assert moved.faults("case", moved.trials.cases["case"](), load(path)) == []
