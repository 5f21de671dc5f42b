"""Speed benchmarks: what is timed does what it should, on whatever device is the default."""

import logging
import pickle
import re
from types import SimpleNamespace

import pytest
import torch

from benchmarks.accuracy import protocol
from benchmarks.core.products import all_of
from benchmarks.core.speed import Speed
from benchmarks.registry import BENCHMARKS
from benchmarks.speed import _gates, compiled, peers, precision, scaling, tft, users_path
from benchmarks.speed._darts import trainer
from benchmarks.speed._steps import products_alone
from darts_tsformers.attention import AutoCorrelation, LogSparseAttention, ProbSparseAttention
from darts_tsformers.layers.frequency.fourier import FourierBlock
from darts_tsformers.networks import PatchTST

SPEEDS = {name: one for name, one in BENCHMARKS.items() if isinstance(one, Speed)}
OTHERS = re.compile(r"neuralforecast|transformers|Darts|fused(, causal)?$|fused exact attention")
"""What is PyTorch's or a peer's."""


@pytest.fixture(autouse=True)
def _log_as_before(monkeypatch):
    """What makes a case ready turns logging off; this is put back."""
    monkeypatch.setattr(logging.root.manager, "disable", logging.root.manager.disable)


def parts(gate):
    return [part for one in gate.args for part in parts(one)] if getattr(gate, "func", None) is _gates.each else [gate]


def agrees(gate):
    return getattr(gate, "func", None) is _gates.agree


GATES = {
    part: f"{name}, {case}" for name, one in SPEEDS.items() for case in one.checks for part in parts(one.checks[case])
}
COMPARED = [
    pytest.param(gate, id=name)
    for gate, name in GATES.items()
    if not agrees(gate) and getattr(gate, "func", None) is not compiled.same_forecast
]
"""Compiling takes minutes, and cannot follow the types that the tests check: a run of the benchmark compares there."""


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


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("attention", "log_sparse, masked as published"),
        ("attention", "prob_sparse, gather as published"),
        ("auto_correlation", "ours"),
        ("fourier", "fast transform, one product"),
        ("informer", "Informer, reference way"),
        ("decomposition_models", "Autoformer"),
        ("patchtst_step", "ours"),
        ("itransformer_inference", "ours"),
        ("others_step", "Darts TSMixerModel"),
        ("scaling_variates", "iTransformer"),
        ("tft", "TFT"),
    ],
)
def test_modules_and_inputs_are_on_the_default_device(name, case):
    """A tensor without data meets no other: a step that mixes devices fails."""
    with torch.device("meta"):
        SPEEDS[name].cases[case](**SPEEDS[name].sizes[0])()


def test_fit_loads_data_on_the_processor_and_trains_on_the_default_device():
    class Model:
        def fit(self, series, *, verbose):
            self.loaded_on = torch.get_default_device().type
            return self

    with torch.device("meta"):
        assert users_path.fitted(Model, None).loaded_on == "cpu"
        assert trainer()["pl_trainer_kwargs"]["accelerator"] == "gpu"
        assert protocol.trainer()["accelerator"] == "gpu"
    assert trainer()["pl_trainer_kwargs"]["accelerator"] == protocol.trainer()["accelerator"] == "cpu"


def test_peers_with_a_plain_optimiser_are_trained_with_ours_too():
    fused = {name: [case for case in one.cases if case.endswith(", fused Adam")] for name, one in SPEEDS.items()}
    assert {name: cases for name, cases in fused.items() if cases} == {
        "patchtst_step": ["neuralforecast, fused Adam"],
        "itransformer_step": ["neuralforecast, fused Adam"],
    }
    for name, cases in fused.items():
        goals = [goal for goal in SPEEDS[name].goals if goal.what.split(" at ")[0].endswith("fused Adam")]
        assert [goal.at_most for goal in goals] == [1.0] * len(cases) * len(SPEEDS[name].sizes)


def test_peers_of_transformers_step_as_its_trainer_does():
    class Scale(peers.OfTransformers):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(()))

    assert issubclass(peers.HuggingFace, peers.OfTransformers)
    assert Scale().optimizer().param_groups[0]["fused"] is True


@pytest.mark.parametrize(
    ("family", "said"),
    [("TFT", "1 recurrent layer."), ("iTransformer", "2 encoder layers."), ("Autoformer", "1 decoder layer.")],
)
def test_a_note_says_what_a_family_is_made_of(family, said):
    assert said in peers.note(family, "inference")
    assert peers.note(family, "inference").count("layer") == said.count("layer") + ("decoder" in said)


def test_why_a_goal_of_tft_is_missed_is_read_off_what_was_measured():
    cases = {"TFT, its matrix products": 3, "Darts": 10}
    timed = {name: {"processor": {"median": time}} for name, time in cases.items()}
    figures = {"points": [{"size": {"length": 168, "width": 8}, "clock": "processor", "cases": timed}]}
    assert tft.products_of_ours(figures, length=168, width=8).endswith(
        "our matrix products alone take 0.30 of its time"
    )
    assert "products" not in tft.products_of_ours(figures, length=2048, width=8)


def test_a_peer_has_its_own_optimiser_unless_asked_otherwise(monkeypatch):
    monkeypatch.setattr(peers, "train", lambda _, optimizer: optimizer.param_groups[0]["fused"])
    build = peers.FAMILIES["others"]["Darts TSMixerModel"]
    size = {"batch": 2, "length": 24, "d_model": 8}
    assert peers.training_step(build, **size) is None
    assert peers.training_step(build, fused=True, **size)
    assert peers.training_step(peers.our_itransformer, **size)


@pytest.mark.parametrize("name", SPEEDS)
def test_a_reader_is_told_where_a_peer_takes_one_target_at_a_time(name):
    folded = [case for case in SPEEDS[name].cases if "neuralforecast" in case and "itransformer" not in name]
    assert ("7 into 7 times the windows" in SPEEDS[name].note) == bool(folded)


def test_bfloat16_that_is_far_from_single_precision_is_stopped(monkeypatch):
    original = torch.nn.Linear.forward

    def more_under_autocast(self, x):
        return original(self, x) * (1.3 if torch.is_autocast_enabled("cpu") else 1.0)

    monkeypatch.setattr(torch.nn.Linear, "forward", more_under_autocast)
    with pytest.raises(AssertionError, match=r"bfloat16 is .* away"):
        SPEEDS["precision_step"].checks["iTransformer, bf16"]()


def test_autocast_is_on_in_forward_and_loss_only():
    class Module(peers.Trainable):
        def loss(self, past, future):
            return torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    module = precision.in_bfloat16(lambda _: Module(), None)
    assert module.loss(torch.ones(1), None) == (True, torch.bfloat16)
    assert not torch.is_autocast_enabled("cpu")


def test_memory_is_kept_or_the_case_is_broken(monkeypatch):
    given = {}
    library = SimpleNamespace(mallopt=lambda option, setting: given.setdefault(option, setting) <= 0)
    monkeypatch.setattr(scaling.ctypes, "CDLL", lambda _: library)
    monkeypatch.setattr(scaling, "training_step", lambda build, **size: (build, size))
    assert scaling.memory_kept("Informer", batch=4) == ("Informer", {"batch": 4})
    assert given == {scaling.M_MMAP_MAX: 0, scaling.M_TRIM_THRESHOLD: -1}
    library.mallopt = lambda option, setting: 0
    with pytest.raises(OSError, match="mallopt refused 0 for option -4"):
        scaling.memory_kept("Informer", batch=4)


def test_a_token_of_long_patches_is_held_to_one_of_short_patches():
    cases = [{scaling.SCALED: {"processor": {"median": time}}} for time in (40.0, 60.0)]
    points = [{"size": {"length": n}, "cases": each} for n, each in zip((512, 4096), cases, strict=True)]
    (goal,) = [goal for goal in SPEEDS["scaling_length"].goals if "time of a token" in goal.what]
    assert goal.figure({"points": points}) == 1.5
    assert not goal.is_met(1.5)


def test_products_alone_are_those_of_the_step():
    linear, x = torch.nn.Linear(5, 3), torch.randn(7, 5, requires_grad=True)
    alone = products_alone(lambda: lambda: linear(x).sum().backward())
    assert [one.operation for one in all_of(alone)] == [
        one.operation for one in all_of(lambda: linear(x).sum().backward())
    ]
    assert len(all_of(alone)) == 3
