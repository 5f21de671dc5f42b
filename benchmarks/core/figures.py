"""What can be read off results."""

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.core.goals import Figures

FROM = 2048
"""Exponents over lengths are fitted from this one on: below, the cost of each call shows."""

BUSY = 1.2
"""More than this share of its processor time a thread takes by the clock where it had to wait for the processor."""


def measured(figures: Figures) -> list[dict[str, Any]]:
    """Return what was measured at one time and place each: points, or cases."""
    return [*figures.get("points", []), *figures.get("cases", {}).values()]


def environment_of(figures: Figures) -> dict[str, str]:
    """Return where figures were measured, by what is said of it; what differs among them is joined."""
    said: dict[str, dict[str, None]] = {}
    for one in measured(figures):
        for name, found in one.get("environment", {}).items():
            said.setdefault(name, {})[str(found)] = None
    return {name: " and ".join(each) for name, each in said.items()}


def value(figures: Figures, what: str, case: str, **size: int) -> float | None:
    """Return the ``"time"`` or ``"memory"`` of a case at the first size that has these entries; None if it has none."""
    for point in figures.get("points", []):
        if size.items() <= point["size"].items() and (found := of_case(point, what, case)) is not None:
            return found
    return None


def of_case(point: dict[str, Any], what: str, case: str) -> float | None:
    """Return a figure of a case at a point: on one thread of a processor its own time, which a busy machine spares."""
    outcome = point["cases"].get(case, {})
    if what == "memory":
        return outcome.get("megabytes", {}).get("tensors")
    return outcome.get("wall" if point.get("clock") == "wall" else "processor", {}).get("median")


def ratio(what: str, case: str, other: str, **size: int) -> Callable[[Figures], float | None]:
    """Return what reads how much of what another takes a case takes."""

    def read(figures: Figures) -> float | None:
        ours, theirs = (value(figures, what, name, **size) for name in (case, other))
        return None if ours is None or theirs is None else ours / theirs

    return read


def overlap(case: str, other: str, **size: int) -> Callable[[Figures], str]:
    """Return what says whether the times of two cases overlap, so that a rerun could turn them round."""

    def said(figures: Figures) -> str:
        for point in figures.get("points", []):
            if size.items() <= point["size"].items():
                clock = "wall" if point.get("clock") == "wall" else "processor"
                ours, theirs = (point["cases"].get(name, {}).get(clock) for name in (case, other))
                if ours and theirs and ours["max"] >= theirs["min"] and theirs["max"] >= ours["min"]:
                    return "their times overlap"
        return ""

    return said


def exponent(
    what: str, case: str, along: str = "length", start: int | None = None, end: int | None = None
) -> Callable[[Figures], float | None]:
    """Return what fits the slope of the logarithms along a size, between two values of it; lengths from ``FROM`` on."""
    first = start or (FROM if along == "length" else 1)

    def read(figures: Figures) -> float | None:
        found = {
            point["size"][along]: figure
            for point in figures.get("points", [])
            if first <= point["size"].get(along, 0) <= (end or math.inf)
            and (figure := of_case(point, what, case)) is not None
        }
        if len(found) < 2:
            return None
        return float(np.polyfit(np.log(list(found)), np.log(list(found.values())), 1)[0])

    return read


def by_model(figures: Figures) -> dict[str, list[dict[str, Any]]]:
    """Return the results of trials by model, one a seed."""
    results = [case["result"] for case in figures.get("cases", {}).values() if "result" in case]
    return {model: [one for one in results if one["model"] == model] for model in {one["model"]: 0 for one in results}}


def seeds_of(model: str, wanted: int) -> Callable[[Figures], str]:
    """Return what says of how many seeds there are results of a model, where fewer than wanted."""

    def said(figures: Figures) -> str:
        found = len(by_model(figures).get(model, []))
        return f"{found} of {wanted} seeds" if 0 < found < wanted else ""

    return said


def mean_of(model: str, what: str = "mse") -> Callable[[Figures], float | None]:
    """Return what reads a figure of trials of a model, as its mean over the seeds."""

    def read(figures: Figures) -> float | None:
        results = by_model(figures).get(model)
        return statistics.mean(result[what] for result in results) if results else None

    return read
