"""Time and memory of steps that take turns, and the table and the exponents of them over lengths."""

import statistics
import time
from collections.abc import Callable

import numpy as np
from torch.profiler import ProfilerActivity, profile

FROM = 2048  # exponents are fitted from here on: below, the cost of each call shows


def milliseconds(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Return the median processor time of each step, after a first one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats + 1):
        for name, step in steps.items():
            start = time.process_time()
            step()
            seconds[name].append(time.process_time() - start)
    return {name: 1e3 * statistics.median(each[1:]) for name, each in seconds.items()}


def megabytes(step: Callable[[], None]) -> float:
    """Return the largest total of the tensors that a step has alive at any time, beyond those it begins with."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    changes = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = np.cumsum([event.nbytes() for event in sorted(changes, key=lambda event: event.start_ns())])
    return float(held.max()) / 1e6


def exponent(values: dict[int, float]) -> float | None:
    fitted = {length: value for length, value in values.items() if length >= FROM}
    return float(np.polyfit(np.log(list(fitted)), np.log(list(fitted.values())), 1)[0]) if len(fitted) > 1 else None


def table(values: dict[str, dict[int, float]], lengths: list[int], unit: str) -> str:
    lines = [f"{unit:34s}" + "".join(f"{length:>10,d}" for length in lengths) + "  exponent"]
    for name, each in values.items():
        cells = "".join(f"{each[length]:10.1f}" if length in each else " " * 10 for length in lengths)
        slope = exponent(each)
        lines.append(f"{name:34s}{cells}" + ("" if slope is None else f"{slope:10.2f}"))
    return "\n".join(lines)
