"""The figures that most will look for, taken from all results: a row a model; goes into the README and the report."""

import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.accuracy.published import TABLES
from benchmarks.core.figures import by_model, environment_of, exponent, mean_of, of_case, ratio
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.tables import number, table

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- (headline|at 4,096 steps): [^>]*-->\n).*?(<!-- /\2 -->)", re.S)

Results = Mapping[str, Figures]
"""What the files of results hold, by the name of the benchmark."""

MODELS = ["PatchTST", "iTransformer", "Informer", "LogSparse", "Autoformer", "FEDformer", "TFT"]
AS_PEERS = {"PatchTST": ["patchtst", "patchtst_plain"], "Informer": ["informer", "informer_label_of_1"]}
"""Benchmarks beside peers, where a model is set up as one peer has it and as another has it."""
OVER_LENGTHS = {"PatchTST": "PatchTST, ProbSparse over patches", "LogSparse": "LogSparse, direct"}
"""Names where look-backs grow, if they are others."""
SAME_OPTIMISER = ", fused Adam"
"""Ends the name of a peer that is trained as no user has it, by our optimiser."""
BESIDE = {
    "ProbSparse, of PyTorch's fused exact attention": ("attention", "prob_sparse", "fused"),
    "LogSparse, of the same, causal": ("attention", "log_sparse, causal", "fused, causal"),
    "Informer, of the published way": ("informer", "Informer", "Informer, reference way"),
    "Autoformer, of the published way": ("decomposition_models", "Autoformer", "Autoformer, reference way"),
    "FEDformer, of the published way": ("decomposition_models", "FEDformer", "FEDformer, reference way"),
}
"""What is compared at 4,096 steps: the benchmark, and there ours and the other."""
HEAD = [
    "model",
    "training step, share of the fastest peer's time",
    "inference",
    "epoch of `fit`, share of neuralforecast's time",
    "time grows as",
    "memory as",
    "MSE, ETTh1 96",
    "published",
]


def headline(results: Results) -> str:
    """Lay out the table and say what its columns are."""
    rows = [_row(name, results) for name in MODELS]
    return "\n\n".join([table(HEAD, rows), _said(results)])


def at_4096_steps(results: Results) -> str:
    """Lay out what ours take there of what the usual way takes."""
    rows = [[label, *(number(_of_other(what, label, results), 2) for what in ("time", "memory"))] for label in BESIDE]
    return table(["share of what", "time", "memory"], rows)


def of_fastest_peer(name: str, what: str, results: Results) -> float | None:
    """Return our time as a share of the fastest peer's: the larger share of two set-ups, meaned over the sizes."""
    shares: dict[tuple[int, ...], list[float]] = {}
    for family in AS_PEERS.get(name, [name.lower()]):
        for point in results.get(f"{family}_{what}", {}).get("points", []):
            if (share := _share(point)) is not None:
                shares.setdefault(tuple(point["size"].values()), []).append(share)
    return statistics.geometric_mean(map(max, shares.values())) if shares else None


def median_speed_up(results: Results) -> float | None:
    """Return how many times as fast as the fastest peer's our training steps are: the median over the models."""
    shares = [of_fastest_peer(name, "step", results) for name in MODELS]
    known = [share for share in shares if share is not None]
    return 1 / statistics.median(known) if known else None


WHY = (
    "The fastest peer is several times slower where it folds the targets into the batch or loops over frequencies. "
    "Where it does not (PatchTST, iTransformer, TFT, Informer) it makes the same matrix products, which are a third "
    "(iTransformer) to two thirds (TFT) of our step, as profiled below"
)
GOALS = [
    Goal(
        "Training step: times as fast as the fastest peer, median over the models",
        median_speed_up,
        at_least=1.5,
        why=WHY,
    )
]
"""Those that several benchmarks have together; of all results."""


def filled(page: str, results: Results) -> str:
    """Return a page with its tables as the results are now."""
    tables = {"headline": headline, "at 4,096 steps": at_4096_steps}
    return BLOCK.sub(lambda match: f"{match[1]}{tables[match[2]](results)}\n{match[3]}", page)


def _row(name: str, results: Results) -> list[str]:
    over_lengths = OVER_LENGTHS.get(name, name)
    growth = [exponent(what, over_lengths)(results.get("scaling_length", {})) for what in ("time", "memory")]
    mse = mean_of(name)(results.get("accuracy_ETTh1_96", {}))
    published = TABLES["ETTh1 96"].get(name)
    return [
        name,
        number(of_fastest_peer(name, "step", results), 2),
        number(of_fastest_peer(name, "inference", results), 2),
        number(ratio("time", name, f"{name}, neuralforecast")(results.get("fit_epoch", {})), 2),
        *("–" if slope is None else f"L^{slope:.2f}" for slope in growth),
        number(mse),
        number(published.mse if published else None),
    ]


def _of_other(what: str, label: str, results: Results) -> float | None:
    benchmark, ours, other = BESIDE[label]
    return ratio(what, ours, other, length=4096)(results.get(benchmark, {}))


def _said(results: Results) -> str:
    figures = results.get("patchtst_step", {})
    where = environment_of(figures)
    peers = " and ".join(f"{name} {where.get(name, '')}" for name in ("neuralforecast", "transformers", "darts"))
    gpu = " No GPU was at hand: `python -m benchmarks run --device cuda` would measure there."
    return (
        f"Processor time of one thread, the geometric mean over {len(figures.get('points', []))} sizes; peers are "
        f"those of {peers}. neuralforecast's PatchTST, Informer, Autoformer, FEDformer and TFT forecast one component: "
        "for them its wrapper makes seven windows of each window of seven. Our optimiser is fused, as `fit` has it, "
        "the peers' is not; the report has them with it too. In the median over the models our training step is "
        f"{number(median_speed_up(results), 2)} times as fast as the fastest peer's. Growth is fitted from 2,048 steps "
        f"on, PatchTST's with ProbSparse over the patches. MSE: all test windows, {_seeds(results)}."
        + (gpu if where.get("device") == "cpu" else "")
    )


def _seeds(results: Results) -> str:
    """Say how many seeds there are of the models' errors."""
    found = by_model(results.get("accuracy_ETTh1_96", {}))
    numbers = sorted({len(found[name]) for name in MODELS if name in found})
    if numbers in ([], [1]):
        return "one seed"
    return f"mean over {' to '.join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))} seeds"


def _share(point: dict[str, Any]) -> float | None:
    times = {case: of_case(point, "time", case) for case in point["cases"]}
    peers = [
        time
        for case, time in times.items()
        if case != "ours" and not case.endswith(SAME_OPTIMISER) and time is not None
    ]
    ours = times.get("ours")
    return None if ours is None or not peers else ours / min(peers)
