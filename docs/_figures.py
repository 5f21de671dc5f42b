"""Tables of what was measured and of what there is: ``python -m docs._figures`` writes them into pages and README.

A page says where: all between ``<!-- figures: NAME -->`` and ``<!-- /figures -->`` is the table of that name. Those of
``BY_MODEL`` are of the model whose page it is.
"""

import json
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy import choice
from benchmarks.accuracy.models import READS_CALENDAR
from benchmarks.core.figures import by_model, environment_of, exponent, of_case, ratio, value
from benchmarks.longrange import summary
from docs import _models, _rooms

DOCS = Path(__file__).parent
PAGES = [*sorted(DOCS.rglob("*.md")), DOCS.parent / "README.md"]
RESULTS = DOCS.parent / "benchmarks" / "results" / "cpu"
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- /figures -->)", re.S)
LENGTHS = (1024, 4096, 16384, 32768)
NOT_MEASURED = "Not measured so far."


def filled(page: str, name: str) -> str:
    """Return a page of a name with its tables as the results and classes are now."""

    def made(kind: str) -> str:
        return BY_MODEL[kind](name) if kind in BY_MODEL else TABLES[kind]()

    return BLOCK.sub(lambda match: f"{match[1]}{made(match[2])}\n{match[3]}", page)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table, numbers to the right."""
    head = list(header)
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def read(name: str) -> dict[str, Any]:
    """Read a file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def steps(name: str, cases: Mapping[str, str]) -> str:
    """Tabulate a training step of whole networks by the look-back."""
    setting = "A training step on 4 windows of 7 targets, 96 steps ahead (`d_model=64`, `n_heads=4`, `d_ff=256`)"
    return _by_length(name, cases, setting)


def mechanisms(name: str, cases: Mapping[str, str]) -> str:
    """Tabulate forward and backward pass of mechanisms by the length."""
    return _by_length(name, cases, "Forward and backward pass, 4 samples, 4 heads of width 16")


def _by_length(name: str, cases: Mapping[str, str], setting: str) -> str:
    results = read(name)
    points = {point["size"]["length"]: point for point in results["points"]}

    def row(case: str, label: str) -> list[str]:
        slope = exponent("time", case)(results)
        grows = "–" if slope is None else f"L^{slope:.2f}"
        return [label, *(_cell(points.get(length), case) for length in LENGTHS), grows]

    header = ["steps looked back on", *(f"{length:,}" for length in LENGTHS), "time grows as"]
    rows = [row(case, label) for case, label in cases.items()]
    return f"{table(header, rows)}\n\n{setting}; one CPU thread, torch {environment_of(results)['torch']}."


def _cell(point: Mapping[str, Any] | None, case: str) -> str:
    """Write time and memory of a case at a size."""
    time = None if point is None else of_case(dict(point), "time", case)
    if point is None or time is None:
        return "–"
    return f"{time:,.0f} ms, {of_case(dict(point), 'memory', case):,.0f} MB"


def accuracy(page: str) -> str:
    """Tabulate the errors of the model of a page on all public data, means over the seeds."""
    name = _models.measured_as(page)
    rows = [row for path in sorted(RESULTS.glob("accuracy_*.json")) for row in _errors(name, path.stem)]
    if not rows:
        return NOT_MEASURED
    head = ["data, steps ahead", "steps looked back on", "MSE", "MAE", "seeds"]
    said = [
        "All test windows at stride 1, standardised by the training part; means over the seeds, the weights of the "
        "lowest validation loss, sizes as in `benchmarks/accuracy/models.py`.",
        "It sees the calendar as future covariates." if name in READS_CALENDAR else "",
        "With gaps: a fifth of all values is hidden in training and look-back." if _any(rows, "with gaps") else "",
        "epf: day-ahead prices, of which two covariates are known ahead." if _any(rows, "epf_") else "",
    ]
    return f"{table(head, rows)}\n\n{' '.join(filter(None, said))}"


def _errors(name: str | None, results: str) -> Iterator[list[str]]:
    """Give a row for a model, and for each of its variants, in one file of results."""
    data = read(results)
    for called, found in by_model(data).items():
        if name is not None and (called == name or called.startswith(f"{name}, ")):
            mse, mae = (statistics.mean(one[what] for one in found) for what in ("mse", "mae"))
            label = data["title"].removeprefix("Accuracy: ") + called.removeprefix(name)
            yield [label, str(found[0]["lookback"]), f"{mse:.3f}", f"{mae:.3f}", str(len(found))]


def _any(rows: Iterable[list[str]], words: str) -> bool:
    return any(words in row[0] for row in rows)


def growth(page: str) -> str:
    """Tabulate a training step of the model of a page, and of its variants, by the look-back."""
    name = _models.measured_as(page)
    measured = {case for point in _points("scaling_length") for case in point["cases"]}
    own = sorted(case for case in measured if name is not None and (case == name or case.startswith(f"{name}, ")))
    if not own:
        return NOT_MEASURED
    setting = "A training step on 4 windows of 7 targets, 96 steps ahead (`d_model=64`, `n_heads=4`)"
    return _by_length("scaling_length", dict(zip(own, own, strict=True)), setting)


def beside_darts() -> str:
    """Tabulate a training step of the Temporal Fusion Transformer beside that of Darts' own."""
    results = read("tft")
    points = results["points"]
    size = "L {length}, batch {batch}, variables of width {width}"
    rows = ([size.format(**p["size"]), *(_cell(p, case) for case in p["cases"])] for p in points)
    caption = (
        f"A training step at hidden size 160; one CPU thread, torch {environment_of(results)['torch']}, `L` steps "
        "looked back on."
    )
    return f"{table(['', *points[0]['cases']], rows)}\n\n{caption}"


def prices() -> str:
    """Tabulate the errors of the Temporal Fusion Transformer on day-ahead prices beside naive ones."""
    cases = {name: case["result"] for name, case in read("prices")["cases"].items()}
    rows = [
        [name, f"{r['mae']:.3f}", *(f"{r[f'share of last {season} hours']:.2f}" for season in (24, 168))]
        for name, r in cases.items()
    ]
    caption = (
        f"Day-ahead prices of Nord Pool, 168 steps to 24, {next(iter(cases.values()))['windows']:,} test windows, "
        "`d_model=32`, at most 6 epochs; the median, on the standardised scale."
    )
    head = ["", "MAE", "share of that of repeating 24 hours", "of 168 hours"]
    return f"{table(head, rows)}\n\n{caption}"


def long_range() -> str:
    """Say what came of the long-range suite at its shortest length, and tabulate it."""
    results = read("long_range")
    shortest = min(row.length for row in summary.rows(results))
    return "\n\n".join(filter(None, [summary.told(results), *summary.tables(results, [shortest])]))


def efficient() -> str:
    """Tabulate what mechanisms take beside exact attention, each in the run that it was measured in."""
    efficient = read("efficient_attention")
    rows = [_beside_exact(efficient, name, f"`{name}`", "fused") for name in _both_ways(efficient)]
    rows += [_beside_exact(read("attention"), name, f"`{name}`", "fused") for name in ("prob_sparse", "log_sparse")]
    rows.append(_beside_exact(read("auto_correlation"), "ours", "`auto_correlation`", "fused exact attention"))
    head = ["at 4,096 steps", "times as fast as exact attention", "causal, likewise", "memory", "time grows as"]
    said = (
        "Forward and backward pass, 4 samples, 4 heads of width 16, one CPU thread, against PyTorch's fused kernel for "
        "exact attention that is not causal. Memory and growth are those of the causal form where there is no other."
    )
    return f"{table(head, rows)}\n\n{said}"


def _both_ways(results: dict[str, Any]) -> list[str]:
    """Name the mechanisms of a file, without exact attention, once for both their forms."""
    cases = [case.removesuffix(", causal") for point in results["points"] for case in point["cases"]]
    return [name for name in dict.fromkeys(cases) if name != "fused"]


def _beside_exact(results: dict[str, Any], case: str, label: str, exact: str) -> list[str]:
    causal = f"{case}, causal"
    faster = [ratio("time", exact, one, length=4096)(results) for one in (case, causal)]
    main = causal if faster[0] is None else case
    memory, slope = value(results, "memory", main, length=4096), exponent("time", main)(results)
    return [
        label,
        *("–" if one is None else f"{one:.1f}" for one in faster),
        "–" if memory is None else f"{memory:,.0f} MB",
        "–" if slope is None else f"L^{slope:.2f}",
    ]


def compiled() -> str:
    """Tabulate what compiling does to the time of a forecast and of a training step."""
    inference, step = (next(iter(_points(f"compiled_{what}")), {"cases": {}}) for what in ("inference", "step"))
    names = [name for name in inference["cases"] if not name.endswith(", compiled")]
    rows = ([name, *(_share(point, f"{name}, compiled", name) for point in (inference, step))] for name in names)
    return table(["compiled / as it is", "inference", "training step"], rows)


def precision() -> str:
    """Tabulate what products in bfloat16 do to the time of a training step."""
    points = read("precision_step")["points"]
    names = [name for name in points[0]["cases"] if not name.endswith(", bf16")]
    head = ["bfloat16 / single precision", *("L {length}, width {d_model}".format(**p["size"]) for p in points)]
    return table(head, ([name, *(_share(point, f"{name}, bf16", name) for point in points)] for name in names))


def allocator() -> str:
    """Tabulate how steps grow where freed memory goes back to the system, and where it is kept."""
    points = {point["size"]["length"]: point for point in _points("allocator")}
    if not points:
        return NOT_MEASURED
    names = [name for name in next(iter(points.values()))["cases"] if not name.endswith(", memory kept")]
    head = ["training step, ms", *(f"{length:,}{kept}" for length in points for kept in ("", ", kept"))]
    rows = ([name, *_beside_kept(points.values(), name)] for name in names)
    return table(head, rows)


def _beside_kept(points: Iterable[dict[str, Any]], name: str) -> list[str]:
    times = [of_case(point, "time", case) for point in points for case in (name, f"{name}, memory kept")]
    return ["–" if time is None else f"{time:,.0f}" for time in times]


def _points(name: str) -> list[dict[str, Any]]:
    """Return the points of results that may not be there."""
    return read(name)["points"] if (RESULTS / f"{name}.json").exists() else []


def _share(point: dict[str, Any], one: str, other: str) -> str:
    times = [of_case(point, "time", case) for case in (one, other)]
    return "–" if None in times else f"{times[0] / times[1]:.2f}"


FUSED = "fused exact attention of PyTorch"
TABLES: dict[str, Callable[[], str]] = {
    "informer": partial(
        steps,
        "informer",
        {
            "Informer": "ours",
            "Informer, full attention": "ours, full attention",
            "Informer, reference way": "the published way",
        },
    ),
    "autoformer": partial(
        steps, "decomposition_models", {"Autoformer": "ours", "Autoformer, reference way": "the published way"}
    ),
    "fedformer": partial(
        steps,
        "decomposition_models",
        {
            "FEDformer": "ours",
            "FEDformer, reference way": "the published way",
            "FEDformer mixture": "ours, three moving averages",
            "FEDformer mixture, reference way": "the published way, three moving averages",
        },
    ),
    "log_sparse": partial(
        mechanisms,
        "attention",
        {
            "log_sparse, causal": "LogSparse",
            "log_sparse, masked as published": "a dense map with a mask",
            "fused, causal": f"{FUSED}, causal",
        },
    ),
    "efficient": efficient,
    "long_range": long_range,
    "compiled": compiled,
    "allocator": allocator,
    "precision": precision,
    "choice": lambda: choice.summary(read("recommend")),
    "tft": beside_darts,
    "tft_prices": prices,
    "models": _models.overview,
    "capabilities": _models.capabilities,
    "decide": _models.decide,
    "forecasters": _models.listed,
    "rooms": _rooms.table,
}
BY_MODEL: dict[str, Callable[[str], str]] = {"accuracy": accuracy, "growth": growth}


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8"), path.stem), encoding="utf-8")
    _rooms.PICTURE.write_text(_rooms.picture(), encoding="utf-8")
