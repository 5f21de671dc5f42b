"""What auto-correlation costs: forward and backward, against the published forms and fused exact attention.

    python -m benchmarks.auto_correlation --out results.json

Measured as in ``benchmarks.attention``: one thread, cases of one length in turns, medians of the processor time. Inputs
lie in memory as our layers and the authors' hand them over, steps before heads; at 4,096 also heads first, where ours
has to copy them. Before anything is timed, the published forms must give what ours gives. The prime lengths 4,099 and
32,749 show what an FFT of an awkward length costs; no exponent is fitted through them.

The bars: at 4,096 at least 6 times as fast as each published form and 20 times as fast as fused exact attention, and a
time exponent of at most 1.2 from 2,048 on.
"""

import argparse
import json
import math
import os
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks._measure import exponent, megabytes, milliseconds, table
from benchmarks.attention import BATCH, HEADS, WIDTH, Case, case_fused, step
from darts_tsformers.attention.auto_correlation import AutoCorrelation

LENGTHS = [512, 1024, 2048, 4096, 8192, 16384, 32768]
PRIMES = [4099, 32749]


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


OURS = "ours"
PUBLISHED = ["training form as published", "prediction form as published"]
CASES = {
    OURS: Case(case_ours),
    "ours, delays shared": Case(case_ours_shared),
    PUBLISHED[0]: Case(case_training_form),
    PUBLISHED[1]: Case(case_prediction_form),
    "fused exact attention": Case(case_fused, 4096),
}


def inputs(length: int, *, heads_first: bool = False) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    steps_first = (torch.randn(BATCH, length, HEADS, WIDTH, generator=generator).transpose(1, 2) for _ in range(3))
    return [(x.contiguous() if heads_first else x).requires_grad_() for x in steps_first]


def steps(length: int, *, heads_first: bool = False) -> dict[str, Callable[[], None]]:
    qkv = inputs(length, heads_first=heads_first)
    return {name: partial(step, case, qkv) for name, case in CASES.items() if length <= case.limit}


def by_name(rows: dict[int, dict[str, float]]) -> dict[str, dict[int, float]]:
    return {name: {length: row[name] for length, row in rows.items() if name in row} for name in CASES}


def gains(row: dict[str, float]) -> dict[str, float]:
    return {name: value / row[OURS] for name, value in row.items()}


def check() -> None:
    """Compare outputs and gradients; a time for another result would mean nothing."""
    qkv = inputs(512)
    for ours, published in [(case_ours, case_prediction_form), (case_ours_shared, case_training_form)]:
        outs = [case(*qkv) for case in (ours, published)]
        torch.testing.assert_close(*outs, rtol=1e-4, atol=1e-5)
        probe = torch.linspace(-1, 1, outs[0].numel()).view_as(outs[0])
        for pair in zip(*(torch.autograd.grad(out, qkv, probe) for out in outs), strict=True):
            torch.testing.assert_close(*pair, rtol=1e-3, atol=1e-4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports its own start and stop otherwise
    check()
    rows = {length: milliseconds(steps(length), arguments.repeats) for length in [*arguments.lengths, *PRIMES]}
    heads_first = gains(milliseconds(steps(4096, heads_first=True), arguments.repeats))
    times = by_name({length: rows[length] for length in arguments.lengths})
    prime_times = by_name({length: rows[length] for length in PRIMES})
    memory = {name: {length: megabytes(steps(length)[name]) for length in each} for name, each in times.items()}
    print(table(times, arguments.lengths, "forward and backward, ms"))
    print(table(prime_times, PRIMES, "primes, ms"))
    print(table(memory, arguments.lengths, "peak memory, MB"))
    times_ours = {"steps first": gains(rows[4096]), "heads first": heads_first} if 4096 in rows else {}
    print("times the time of ours at 4,096:", json.dumps(times_ours, indent=2))
    if arguments.out:
        setting = {"batch": BATCH, "heads": HEADS, "width": WIDTH, "factor": 1}
        machine = {"torch": torch.__version__, "python": platform.python_version(), "processor": platform.processor()}
        exponents = {name: {"time": exponent(times[name]), "memory": exponent(memory[name])} for name in CASES}
        measured = {"milliseconds": times, "milliseconds at primes": prime_times, "megabytes": memory}
        results = setting | machine | measured | {"exponents": exponents, "times ours at 4096": times_ours}
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
