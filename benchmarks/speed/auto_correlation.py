"""What auto-correlation costs: forward and backward, against the published forms and fused exact attention.

Inputs lie in memory as our layers and the authors' hand them over, steps before heads; at 4,096 also heads first, where
ours has to copy them. The prime lengths 4,099 and 32,749 show what an FFT of an awkward length costs.
"""

import math
from functools import partial

import torch
from torch import Tensor

from benchmarks.core.figures import exponent, ratio
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Speed, Step
from benchmarks.speed._gates import Gate, same
from benchmarks.speed._steps import LARGE_TENSORS, WRITTEN_HERE
from benchmarks.speed.attention import BATCH, HEADS, WIDTH, Mechanism, case_fused, step
from darts_tsformers.attention.auto_correlation import AutoCorrelation


def case_ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return AutoCorrelation()(q, k, v)[0]


def case_ours_shared(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return AutoCorrelation(shared_delays=True)(q, k, v)[0]


def mean_correlation(q: Tensor, k: Tensor) -> Tensor:
    """As published: every head and channel goes back to the time domain, then they are averaged."""
    products = torch.fft.rfft(q.mT) * torch.fft.rfft(k.mT).conj()
    return torch.fft.irfft(products, n=q.shape[-2]).mean((1, 2))


def case_training_form(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Delays shared by the batch; each rolls all values, and weights are spread to their shape."""
    _, h, n, e = v.shape
    found = mean_correlation(q, k)
    delays = found.mean(0).topk(int(math.log(n))).indices
    weights = found[:, delays].softmax(-1)
    series = v.mT
    out = torch.zeros_like(series)
    for i, delay in enumerate(delays):
        out = out + series.roll(-int(delay), -1) * weights[:, i, None, None, None].repeat(1, h, e, n)
    return out.mT


def case_prediction_form(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Delays of each sample; each gathers from the values laid down twice."""
    b, h, n, e = v.shape
    best, delays = mean_correlation(q, k).topk(int(math.log(n)))
    weights = best.softmax(-1)
    series = v.mT
    twice = series.repeat(1, 1, 1, 2)
    steps = torch.arange(n).repeat(b, h, e, 1)
    out = torch.zeros_like(series)
    for i in range(delays.shape[-1]):
        at = steps + delays[:, i, None, None, None].repeat(1, h, e, n)
        out = out + twice.gather(-1, at) * weights[:, i, None, None, None].repeat(1, h, e, n)
    return out.mT


def inputs(length: int, *, heads_first: bool = False) -> list[Tensor]:
    steps_first = (torch.randn(BATCH, length, HEADS, WIDTH).transpose(1, 2) for _ in range(3))
    return [(x.contiguous() if heads_first else x).requires_grad_() for x in steps_first]


def forward_and_backward(mechanism: Mechanism, *, length: int, heads_first: int = 0) -> Step:
    return partial(step, mechanism, inputs(length, heads_first=bool(heads_first)))


ALLOCATOR = (
    f"At 32,768 steps inputs and outputs have 32 MiB each. {LARGE_TENSORS}. Where it keeps all, a step took 0.75 "
    "of the time in a trial whose figures are not stored"
)
MECHANISMS: dict[str, Mechanism] = {
    "ours": case_ours,
    "ours, delays shared": case_ours_shared,
    "training form as published": case_training_form,
    "prediction form as published": case_prediction_form,
    "fused exact attention": case_fused,
}
PAIRS = {"ours": "prediction form as published", "ours, delays shared": "training form as published"}
CASES = {name: partial(forward_and_backward, mechanism) for name, mechanism in MECHANISMS.items()}


def compare(ours: Mechanism, published: Mechanism, length: int, *, heads_first: bool = False) -> None:
    qkv = inputs(length, heads_first=heads_first)
    same(ours(*qkv), published(*qkv), qkv)


def checks(length: int, *, heads_first: bool = False) -> dict[str, Gate]:
    """Hold ours and the published forms to each other, in pairs."""
    gates = {}
    for pair in PAIRS.items():
        gate = partial(compare, *(MECHANISMS[name] for name in pair), length, heads_first=heads_first)
        gates |= dict.fromkeys(pair, gate)
    return gates


def goals(layout: str = "", why: str = "") -> list[Goal]:
    return [
        Goal(f"Auto-Correlation / {other}{layout}, time at 4,096",
             ratio("time", "ours", other, length=4096), at_most=bound, why=why)
        for other, bound in {
            "training form as published": 1 / 6, "prediction form as published": 1 / 6, "fused exact attention": 1 / 20
        }.items()
    ]  # fmt: skip


COPIED = (
    "Ours works on steps first, as all layers lay their heads out, and has to copy what comes otherwise; the published "
    "form is quicker on such inputs than on the others"
)
NOTE = f"Batch {BATCH}, {HEADS} heads of width {WIDTH}, factor 1. {WRITTEN_HERE}"
BENCHMARKS = [
    Speed(
        name="auto_correlation",
        title="Auto-Correlation: forward and backward",
        cases=CASES,
        sizes=[{"length": length} for length in (512, 1024, 2048, 4096, 8192, 16384, 32768)],
        checks=checks(512),
        seconds=20,
        goals=[
            *goals(),
            Goal("Auto-Correlation, exponent of time", exponent("time", "ours"), at_most=1.2, why=ALLOCATOR),
        ],
        note=NOTE,
    ),
    Speed(
        name="auto_correlation_heads_first",
        title="Auto-Correlation on inputs with the heads first: forward and backward",
        cases=CASES,
        sizes=[{"length": 4096, "heads_first": 1}],
        checks=checks(512, heads_first=True),
        seconds=20,
        goals=goals(", heads first", COPIED),
        note=NOTE,
    ),
    Speed(
        name="auto_correlation_primes",
        title="Auto-Correlation at prime lengths: forward and backward",
        cases={name: case for name, case in CASES.items() if name != "fused exact attention"},
        sizes=[{"length": length} for length in (4099, 32749)],
        checks=checks(509),
        seconds=20,
        note=NOTE,
    ),
]
