"""How a training step grows: with the look-back, with the batch, and with the number of components.

Our models as users have them, at width 64 with 4 heads and a horizon of 96. PatchTST is measured twice: with patches
that grow with the look-back, so that their number stays, and with patches of 16 steps and a sparse mechanism over them.
"""

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from benchmarks.core.figures import exponent, value
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.speed import Size, Speed, Step
from benchmarks.speed._darts import quiet, trained_briefly
from benchmarks.speed._gates import MODELS, agree, by_model, each
from benchmarks.speed._steps import LARGE_TENSORS, placed, train
from benchmarks.speed.peers import DROPOUT, HEADS, HORIZON, MODES, TARGETS, DartsModule
from darts_tsformers import (
    AutoformerModel,
    FEDformerModel,
    InformerModel,
    ITransformerModel,
    LogSparseTransformerModel,
    PatchTSTModel,
    TemporalFusionTransformerModel,
)
from darts_tsformers.models import TSFormerModel

WIDTH = 64
Build = Callable[[int], TSFormerModel]


def model(kind: type[TSFormerModel], length: int, **arguments: Any) -> TSFormerModel:
    return kind(length, HORIZON, d_model=WIDTH, n_heads=HEADS, dropout=DROPOUT, **arguments, **trained_briefly())


def patchtst_scaled(length: int) -> TSFormerModel:
    return model(PatchTSTModel, length, patch_length=max(16, length // 32), stride=max(8, length // 64))


def patchtst_sparse(length: int) -> TSFormerModel:
    return model(PatchTSTModel, length, attention="prob_sparse", residual_attention=False)


BUILDS: dict[str, Build] = {
    "PatchTST, patches scaled": patchtst_scaled,
    "PatchTST, ProbSparse over patches": patchtst_sparse,
    "iTransformer": partial(model, ITransformerModel),
    "Informer": partial(model, InformerModel, label_length=48),
    "LogSparse, direct": partial(model, LogSparseTransformerModel, mode="direct"),
    "Autoformer": partial(model, AutoformerModel, label_length=48),
    "FEDformer": partial(model, FEDformerModel, label_length=48, modes=MODES),
    "TFT": partial(model, TemporalFusionTransformerModel, d_variable=8),
}


def training_step(build: Build, *, batch: int, length: int, targets: int = TARGETS) -> Step:
    quiet()
    network = placed(lambda: DartsModule(build(length), targets)).train()
    past, future = (torch.randn(batch, n, targets) for n in (length, HORIZON))
    return train(lambda: network.loss(past, future), torch.optim.Adam(network.parameters(), lr=1e-4))


def over_lengths(batch: int, *lengths: int) -> list[Size]:
    return [{"batch": batch, "length": length} for length in lengths]


ALLOCATOR = (
    f"{LARGE_TENSORS}. The longer the look-back, the more tensors are that large: those of feed-forward layers first. "
    "The table of the allocator says how steps grow where it keeps them"
)
SCALED = "PatchTST, patches scaled"


def cost_of_a_token(what: str) -> Callable[[Figures], float | None]:
    """Return what a token of scaled patches takes at 4,096 steps, as a share of one at 512: both have as many."""

    def read(figures: Figures) -> float | None:
        long, short = (value(figures, what, SCALED, length=length) for length in (4096, 512))
        return None if long is None or short is None else long / short

    return read


def memory_kept(build: Build, **size: int) -> Step:
    """Have the GNU C library map no tensor by itself and give nothing back to the system."""
    for option, setting in {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1}.items():
        if not ctypes.CDLL(None).mallopt(option, setting):
            raise OSError(f"mallopt refused {setting} for option {option} of malloc.h")
    return training_step(build, **size)


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
CASES = {name: partial(training_step, build) for name, build in BUILDS.items()}
CHECKS = by_model(CASES) | {
    "PatchTST, ProbSparse over patches": partial(each, MODELS["PatchTST"], partial(agree, "ProbSparse")),
}
EVERY = {
    name.removesuffix(", direct"): partial(training_step, build)
    for name, build in {**BUILDS, "PatchTST": partial(model, PatchTSTModel)}.items()
    if not name.startswith("PatchTST, ")
}
KEPT = ["Informer", "LogSparse, direct", "FEDformer", "PatchTST, ProbSparse over patches"]
NOTE = (
    f"d_model {WIDTH}, {HEADS} heads, horizon {HORIZON}. All step with plain Adam, where fit has a fused one. "
    f"FEDformer keeps {MODES} modes."
)
SUBQUADRATIC = ["iTransformer", "Informer", "LogSparse, direct", "Autoformer", "FEDformer"]
BENCHMARKS = [
    Speed(
        name="scaling_length",
        title="Training step over look-backs",
        cases=CASES,
        checks=CHECKS,
        sizes=over_lengths(4, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536),
        repeats=3,
        seconds=60,
        gigabytes=16,
        goals=[
            Goal(f"{name} over look-backs, exponent of {what}", exponent(what, name), at_most=1.15, why=ALLOCATOR)
            for name in SUBQUADRATIC
            for what in ("time", "memory")
        ]
        + [
            Goal(f"{SCALED}, {what} of a token at 4,096 / at 512", cost_of_a_token(what), at_most=1.25)
            for what in ("time", "memory")
        ]
        + [
            Goal(f"PatchTST, ProbSparse over patches, exponent of {what} from 4,096 on",
                 exponent(what, "PatchTST, ProbSparse over patches", start=4096), at_most=1.15, why=ALLOCATOR)
            for what in ("time", "memory")
        ],
        note=f"{NOTE} Scaled patches are as many at all look-backs from 512 on, 64 of each series: that their steps "
        "hardly grow is by design.",
    ),
    Speed(
        name="allocator",
        title="Training step over look-backs, where the C library keeps its memory",
        cases={
            label: partial(step, BUILDS[name])
            for name in KEPT
            for label, step in {name: training_step, f"{name}, memory kept": memory_kept}.items()
        },
        checks={f"{name}{kept}": CHECKS[name] for name in KEPT for kept in ("", ", memory kept")},
        sizes=over_lengths(4, 8192, 16384, 32768),
        repeats=3,
        seconds=60,
        gigabytes=16,
        processor_only=True,
        note=f"{NOTE} 'Memory kept' is mallopt with M_MMAP_MAX 0 and M_TRIM_THRESHOLD -1, of the GNU C library.",
    ),
    Speed(
        name="scaling_batch",
        title="Training step over batches at a look-back of 4,096",
        cases=CASES,
        checks=CHECKS,
        sizes=[{"batch": batch, "length": 4096} for batch in (4, 16, 64, 256)],
        repeats=2,
        in_turns=False,
        seconds=120,
        gigabytes=20,
        note=NOTE,
    ),
    Speed(
        name="scaling_variates",
        title="Training step over numbers of components",
        cases={name: EVERY[name] for name in ("iTransformer", "PatchTST")},
        checks=by_model(["iTransformer", "PatchTST"]),
        sizes=[{"batch": 4, "length": 96, "targets": targets} for targets in (7, 100, 321, 862)],
        repeats=3,
        seconds=60,
        gigabytes=16,
        goals=[
            Goal(f"{name}, exponent of {what} over components, from 100 on",
                 exponent(what, name, along="targets", start=100), at_most=most)
            for name, most in {"iTransformer": 2.0, "PatchTST": 1.1}.items()
            for what in ("time", "memory")
        ],
        note=NOTE,
    ),
    Speed(
        name="components",
        title="Training step over numbers of components, every model",
        cases=EVERY,
        checks=by_model(EVERY),
        sizes=[{"batch": 32, "length": 96, "targets": targets} for targets in (1, 7, 100, 321, 862)],
        repeats=3,
        seconds=60,
        gigabytes=20,
        note=f"{NOTE} By these steps recommend scales the epoch of seven components to those of a series.",
    ),
]  # fmt: skip
