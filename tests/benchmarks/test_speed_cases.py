"""Speed benchmarks: what is timed does what it should."""

import pickle
import re

import pytest
import torch

from benchmarks.core.speed import Speed
from benchmarks.registry import BENCHMARKS
from benchmarks.speed import _gates
from darts_tsformers.attention import AutoCorrelation, LogSparseAttention, ProbSparseAttention
from darts_tsformers.layers.fourier import FourierBlock
from darts_tsformers.networks import PatchTST

SPEEDS = {name: one for name, one in BENCHMARKS.items() if isinstance(one, Speed)}
OTHERS = re.compile(r"neuralforecast|transformers|Darts|fused(, causal)?$|fused exact attention")
"""What is PyTorch's or a peer's."""


def parts(gate):
    return [part for one in gate.args for part in parts(one)] if getattr(gate, "func", None) is _gates.each else [gate]


def agrees(gate):
    return getattr(gate, "func", None) is _gates.agree


GATES = {
    part: f"{name}, {case}" for name, one in SPEEDS.items() for case in one.checks for part in parts(one.checks[case])
}
COMPARED = [pytest.param(gate, id=name) for gate, name in GATES.items() if not agrees(gate)]


@pytest.mark.parametrize("name", SPEEDS)
def test_each_case_of_ours_has_a_gate(name):
    ours = {case for case in SPEEDS[name].cases if not OTHERS.search(case)}
    assert ours
    assert ours == set(SPEEDS[name].checks)


@pytest.mark.parametrize("gate", COMPARED)
def test_forms_that_are_compared_agree(gate):
    torch.manual_seed(0)
    gate()


def test_what_else_is_held_is_held_to_something():
    """That the differences are within their bounds is tested with the figures that stay."""
    others = [gate for gate in GATES if agrees(gate)]
    assert others
    assert all(gate.args and set(gate.args) <= set(_gates.DIFFERENCES) for gate in others)


def test_a_fresh_process_finds_the_gates():
    for gate in GATES:
        pickle.dumps(gate)


@pytest.mark.parametrize(
    ("name", "case", "broken", "method"),
    [
        ("attention", "prob_sparse", ProbSparseAttention, "_lazy"),
        ("attention", "log_sparse, causal", LogSparseAttention, "forward"),
        ("auto_correlation", "training form as published", AutoCorrelation, "forward"),
        ("fourier", "fast transform, one product", FourierBlock, "forward"),
        ("decomposition_models", "Autoformer, reference way", AutoCorrelation, "forward"),
        ("patchtst_step", "ours", PatchTST, "forward"),
        ("scaling_length", "PatchTST, ProbSparse over patches", ProbSparseAttention, "_lazy"),
    ],
)
def test_a_gate_stops_what_is_broken(name, case, broken, method, monkeypatch):
    torch.manual_seed(0)
    original = getattr(broken, method)

    def a_hundredth_more(*args, **kwargs):
        found = original(*args, **kwargs)
        return 1.01 * found if isinstance(found, torch.Tensor) else (1.01 * found[0], *found[1:])

    monkeypatch.setattr(broken, method, a_hundredth_more)
    with pytest.raises(AssertionError):
        SPEEDS[name].checks[case]()
