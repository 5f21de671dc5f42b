"""Training steps of whole networks, compared: the sizes, the runner, the tables and the bars.

One step is forward, mean squared error, backward and Adam, on the same series for all. One thread. The cases of one
length take turns, so that a busy machine slows all of them; the medians of the processor time are reported. A case is
left out beyond its limit. Memory is the largest total of the tensors alive at any time of a step, beyond weights,
moments and the input. The exponent is the slope of the logarithms from 2,048 on.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks._measure import exponent, megabytes, milliseconds, table

BATCH, TARGETS, HORIZON, LABEL = 4, 7, 96, 48
WIDTH, HEADS, WIDTH_FF, DROPOUT = 64, 4, 256, 0.05
ENCODER_LAYERS, DECODER_LAYERS = 2, 1
BAR_LENGTH = 4096
LENGTHS = [1024, 2048, 4096, 8192, 16384, 32768]

Figures = dict[str, dict[str, dict[int, float]]]  # what, case, length


@dataclass(frozen=True)
class Case:
    build: Callable[[int], nn.Module]
    limit: int = 32768


@dataclass(frozen=True)
class Bar:
    """At ``BAR_LENGTH``, what of a case may be at most which share of what of another."""

    what: str
    case: str
    other: str
    most: float


def training_step(case: Case, length: int) -> Callable[[], None]:
    """Build the network of a case and return what trains it by one step."""
    torch.manual_seed(0)
    network = case.build(length).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    past, future = (torch.randn(BATCH, n, TARGETS) for n in (length, HORIZON))

    def step() -> None:
        F.mse_loss(network(past), future).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    return step


def measure(cases: dict[str, Case], lengths: list[int], repeats: int) -> Figures:
    """Return the time and the memory of a step of each case at each length."""
    figures: Figures = {"time": {name: {} for name in cases}, "memory": {name: {} for name in cases}}
    for length in lengths:
        steps = {name: training_step(case, length) for name, case in cases.items() if length <= case.limit}
        for name, value in milliseconds(steps, repeats).items():
            figures["time"][name][length] = value
            figures["memory"][name][length] = megabytes(steps[name])
    return figures


def against_bars(figures: Figures, bars: list[Bar]) -> list[dict[str, str | float]]:
    """Compare with each bar whose cases were measured."""
    lines: list[dict[str, str | float]] = []
    for bar in bars:
        ours, theirs = (figures[bar.what].get(name, {}).get(BAR_LENGTH) for name in (bar.case, bar.other))
        if ours is not None and theirs is not None:
            ratio = ours / theirs
            lines.append({"what": bar.what, "case": bar.case, "of": bar.other, "ratio": ratio, "bar": bar.most})
    return lines


def main(description: str | None, cases: dict[str, Case], bars: list[Bar], **setting: object) -> None:
    """Measure as the command line asks for, print it, and write it with the sizes and the further ``setting``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=cases, default=list(cases))
    parser.add_argument("--lengths", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports its own start and stop otherwise
    figures = measure({name: cases[name] for name in arguments.cases}, arguments.lengths, arguments.repeats)
    lines = against_bars(figures, bars)
    print(table(figures["time"], arguments.lengths, "training step, ms"))
    print(table(figures["memory"], arguments.lengths, "peak memory, MB"))
    for line in lines:
        print("{what} of {case} at most {bar} of {of}: {ratio:.2f}".format(**line))
    if arguments.out:
        arguments.out.write_text(json.dumps(_results(figures, lines, setting), indent=2) + "\n")


def _results(figures: Figures, lines: list[dict[str, str | float]], setting: dict[str, object]) -> dict[str, object]:
    times, memory = figures["time"], figures["memory"]
    sizes = {
        "batch": BATCH, "targets": TARGETS, "horizon": HORIZON, "label_length": LABEL, "d_model": WIDTH,
        "n_heads": HEADS, "d_ff": WIDTH_FF, "n_encoder_layers": ENCODER_LAYERS, "n_decoder_layers": DECODER_LAYERS,
        "dropout": DROPOUT, "bar_length": BAR_LENGTH,
    }  # fmt: skip
    machine = {"torch": torch.__version__, "python": platform.python_version(), "processor": platform.processor()}
    exponents = {name: {"time": exponent(times[name]), "memory": exponent(memory[name])} for name in times}
    results = {"milliseconds": times, "megabytes": memory, "exponents": exponents, "bars": lines}
    return sizes | setting | machine | results
