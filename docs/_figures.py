"""Tables of what was measured, from ``benchmarks/results``: ``python docs/_figures.py`` writes them into the pages.

A page says where: all between ``<!-- figures: NAME -->`` and ``<!-- /figures -->`` is the table of that name.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- /figures -->)", re.S)
LENGTHS = ("1024", "4096", "16384", "32768")
ETT_SETTING = (
    "ETTh1 by the protocol of the published tables: standardised by the training part, {windows:,} test windows at "
    "stride 1, one seed, the weights of the lowest validation loss."
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
    results = read(name)
    caption = (
        "A training step on {batch} windows of {targets} targets, {horizon} steps ahead (`d_model={d_model}`, "
        "`n_heads={n_heads}`, `d_ff={d_ff}`); one CPU thread, torch {torch}.".format(**results)
    )
    return f"{_by_length(results, cases)}\n\n{caption}"


def mechanisms(name: str, cases: Mapping[str, str]) -> str:
    """Tabulate forward and backward pass of mechanisms by the length."""
    results = read(name)
    caption = (
        "Forward and backward pass, {batch} samples, {heads} heads of width {width}; one CPU thread, torch "
        "{torch}.".format(**results)
    )
    return f"{_by_length(results, cases)}\n\n{caption}"


def _by_length(results: Mapping[str, Any], cases: Mapping[str, str]) -> str:
    def cell(case: str, length: str) -> str:
        if length not in results["milliseconds"][case]:
            return "–"
        return f"{results['milliseconds'][case][length]:,.0f} ms, {results['megabytes'][case][length]:,.0f} MB"

    header = ["steps looked back on", *(f"{int(length):,}" for length in LENGTHS), "time grows as"]
    return table(
        header,
        (
            [label, *(cell(case, length) for length in LENGTHS), f"L^{results['exponents'][case]['time']:.2f}"]
            for case, label in cases.items()
        ),
    )


def accuracy(case: str) -> str:
    """Tabulate the errors on ETTh1 of one case of the accuracy benchmark."""
    row = read("ett_accuracy")[f"{case}, seed 0"]
    lookback, _, horizon = case.split()[-3:]
    rows = [[f"{lookback} steps to {horizon}", f"{row['mse']:.3f}", f"{row['mae']:.3f}"]]
    setting = ETT_SETTING.format(**row)
    return f"{table(['ETTh1', 'MSE', 'MAE'], rows)}\n\n{setting} Hour and weekday are future covariates."


def gaps(model: str) -> str:
    """Tabulate the errors on ETTh1 as it is and with a share of its values taken out, and the time of training."""
    results = read(f"ett_gaps_{model}")
    labels = {
        "complete": "complete",
        "gaps": f"{results['share']:.0%} of all values taken out",
        "gaps, interpolated first": "the same, interpolated first",
    }
    measured = {label: results["results"][case] for case, label in labels.items()}
    rows = ([label, f"{m['mse']:.3f}", f"{m['mae']:.3f}", f"{m['fit_seconds']:.0f} s"] for label, m in measured.items())
    setting = ETT_SETTING.format(**results["results"]["complete"])
    trained = f"{results['epochs']} epochs on one CPU thread, torch {results['versions']['torch']}."
    return f"{table(['ETTh1, 7 targets', 'MSE', 'MAE', 'training'], rows)}\n\n{setting} Trained for {trained}"


def beside_darts() -> str:
    """Tabulate a training step of the Temporal Fusion Transformer beside that of Darts' own."""
    results = read("tft")
    settings = [name for name in results if name.startswith("L ")]
    cases = list(results[settings[0]])

    def cell(setting: str, case: str) -> str:
        row = results[setting][case]
        return f"{row['milliseconds']:,.0f} ms, {row['megabytes']:,.0f} MB"

    caption = f"A training step at hidden size 160; one CPU thread, torch {results['torch']}, `L` steps looked back on."
    rows = ([case, *(cell(setting, case) for setting in settings)] for case in cases)
    return f"{table(['', *settings], rows)}\n\n{caption}"


def prices() -> str:
    """Tabulate the errors of the Temporal Fusion Transformer on day-ahead prices beside naive ones."""
    results = read("epf_tft")
    first = next(iter(results.values()))
    rows = [[f"`use_instance_norm={r['arguments']['instance_norm']}`", f"{r['mae']:.3f}"] for r in results.values()]
    rows += [[f"`{name}`", f"{value:.3f}"] for name, value in first["mae of naive forecasts"].items()]
    setting = (
        "Day-ahead prices of Nord Pool, 168 steps to 24, {windows:,} test windows, one seed, `d_model={d_model}`, at "
        "most {epochs} epochs; the median, on the standardised scale."
    )
    caption = setting.format(windows=first["windows"], **first["arguments"])
    return f"{table(['', 'MAE'], rows)}\n\n{caption}"


FUSED = "fused exact attention of PyTorch"
TABLES: dict[str, Callable[[], str]] = {
    "patchtst_gaps": partial(gaps, "patchtst"),
    "itransformer_gaps": partial(gaps, "itransformer"),
    "informer": partial(
        steps,
        "informer",
        {
            "ours": "ours",
            "ours, full attention": "ours, full attention",
            "published, reference way": "the published way",
        },
    ),
    "informer_accuracy": partial(accuracy, "informer 48 -> 24"),
    "autoformer": partial(
        steps, "decomposition_models", {"Autoformer": "ours", "Autoformer, reference way": "the published way"}
    ),
    "autoformer_accuracy": partial(accuracy, "autoformer 96 -> 96"),
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
    "fedformer_accuracy": partial(accuracy, "fedformer 96 -> 96"),
    "log_sparse": partial(
        mechanisms,
        "attention",
        {
            "log_sparse, causal": "LogSparse",
            "log_sparse, masked as published": "a dense map with a mask",
            "fused, causal": f"{FUSED}, causal",
        },
    ),
    "log_sparse_accuracy": partial(accuracy, "log_sparse direct 96 -> 96"),
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
    "tft": beside_darts,
    "tft_prices": prices,
}


if __name__ == "__main__":
    for path in sorted(DOCS.rglob("*.md")):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
