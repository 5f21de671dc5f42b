"""Tables of what was measured, from ``benchmarks/results``: ``python -m docs._figures`` writes them into the pages.

A page says where: all between ``<!-- figures: NAME -->`` and ``<!-- /figures -->`` is the table of that name.
"""

import json
import re
import statistics
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy import choice
from benchmarks.core.figures import by_model, environment_of, exponent, of_case

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results" / "cpu"
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- /figures -->)", re.S)
LENGTHS = (1024, 4096, 16384, 32768)
ETT_SETTING = (
    "ETTh1 by the protocol of the published tables: standardised by the training part, {windows:,} test windows at "
    "stride 1, {seeds}, the weights of the lowest validation loss."
)


def filled(page: str) -> str:
    """Return a page with its tables as the results are now."""
    return BLOCK.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}\n{match[3]}", page)


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


def accuracy(task: str, model: str) -> str:
    """Tabulate the errors of a model on ETTh1, means over the seeds."""
    found = by_model(read(f"accuracy_{task}")).get(model)
    if not found:
        return "Not measured so far."
    mse, mae = (statistics.mean(one[what] for one in found) for what in ("mse", "mae"))
    rows = [[f"{found[0]['lookback']} steps to {task.split('_')[-1]}", f"{mse:.3f}", f"{mae:.3f}"]]
    seeds = "one seed" if len(found) == 1 else f"means over {len(found)} seeds"
    setting = ETT_SETTING.format(**found[0], seeds=seeds)
    return f"{table(['ETTh1', 'MSE', 'MAE'], rows)}\n\n{setting} Hour and weekday are future covariates."


def gaps(model: str) -> str:
    """Tabulate the errors on ETTh1 as it is and with a share of its values taken out."""
    with_gaps = by_model(read("accuracy_ETTh1_96_with_gaps"))
    measured = {
        "complete": by_model(read("accuracy_ETTh1_96")).get(model),
        "a fifth of all values taken out": with_gaps.get(model),
        "the same, the last value repeated across gaps": with_gaps.get(f"{model}, last value across gaps"),
    }
    first = {label: found[0] for label, found in measured.items() if found}  # of the seed that all have
    rows = ([label, f"{one['mse']:.3f}", f"{one['mae']:.3f}"] for label, one in first.items())
    setting = ETT_SETTING.format(**first["complete"], seeds="one seed")
    return f"{table(['ETTh1, 7 targets', 'MSE', 'MAE'], rows)}\n\n{setting}"


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
        return "Not measured so far."
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
    "patchtst_gaps": partial(gaps, "PatchTST"),
    "itransformer_gaps": partial(gaps, "iTransformer"),
    "informer": partial(
        steps,
        "informer",
        {
            "Informer": "ours",
            "Informer, full attention": "ours, full attention",
            "Informer, reference way": "the published way",
        },
    ),
    "informer_accuracy": partial(accuracy, "ETTh1_24", "Informer"),
    "autoformer": partial(
        steps, "decomposition_models", {"Autoformer": "ours", "Autoformer, reference way": "the published way"}
    ),
    "autoformer_accuracy": partial(accuracy, "ETTh1_96", "Autoformer"),
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
    "fedformer_accuracy": partial(accuracy, "ETTh1_96", "FEDformer"),
    "log_sparse": partial(
        mechanisms,
        "attention",
        {
            "log_sparse, causal": "LogSparse",
            "log_sparse, masked as published": "a dense map with a mask",
            "fused, causal": f"{FUSED}, causal",
        },
    ),
    "log_sparse_accuracy": partial(accuracy, "ETTh1_96", "LogSparse"),
    "attention": partial(
        mechanisms,
        "attention",
        {
            "prob_sparse": "ProbSparse",
            "prob_sparse, causal": "ProbSparse, causal",
            "log_sparse, causal": "LogSparse, causal",
            "fused": FUSED,
            "fused, causal": f"{FUSED}, causal",
        },
    ),
    "auto_correlation": partial(
        mechanisms,
        "auto_correlation",
        {
            "ours": "AutoCorrelation",
            "training form as published": "the published form of training",
            "prediction form as published": "the published form of prediction",
            "fused exact attention": FUSED,
        },
    ),
    "compiled": compiled,
    "allocator": allocator,
    "precision": precision,
    "choice": lambda: choice.summary(read("recommend")),
    "tft": beside_darts,
    "tft_prices": prices,
}


if __name__ == "__main__":
    for path in sorted(DOCS.rglob("*.md")):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
