"""The figures that most will look for, taken from all results, a row a model: for the page on speed and the report."""

import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.accuracy.published import TABLES
from benchmarks.accuracy.tasks import LONGER
from benchmarks.core.figures import FROM, by_model, environment_of, exponent, mean_of, of_case, ratio, value
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.names import titles
from benchmarks.core.tables import number, table

PAGE = Path(__file__).parents[1] / "docs" / "guides" / "speed.md"
BLOCK = re.compile(r"(<!-- (headline|at 4,096 steps): [^>]*-->\n).*?(<!-- /\2 -->)", re.S)

Results = Mapping[str, Figures]
"""What the files of results hold, by the name of the benchmark."""

MODELS = list(titles())
AS_PEERS = {"PatchTST": ["patchtst", "patchtst_plain"], "Informer": ["informer", "informer_label_of_1"]}
"""Benchmarks beside peers, where a model is set up as one peer has it and as another has it."""
OVER_LENGTHS = {"PatchTST": "PatchTST, ProbSparse over patches", "LogSparse": "LogSparse, direct"}
"""Names where look-backs grow, if they are others."""
SAME_OPTIMISER = ", fused Adam"
"""Ends the name of a peer that is trained as no user has it, by our optimiser."""
STEEPER = 16384
"""From this look-back on growth is told once more."""
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
    rows = [row for row in (_row(name, results) for name in MODELS) if any(cell != number(None) for cell in row[1:-1])]
    return "\n\n".join([table(HEAD, rows), _said(results)])


def at_4096_steps(results: Results) -> str:
    """Lay out what ours take there of what the usual way takes."""
    rows = [[label, *(number(_of_other(what, label, results), 2) for what in ("time", "memory"))] for label in BESIDE]
    return table(["share of what", "time", "memory"], rows)


def of_fastest_peer(name: str, what: str, results: Results, *, same_optimiser: bool = False) -> float | None:
    """Return our time as a share of the fastest peer's: the larger share of two set-ups, meaned over the sizes.

    Peers that are trained by our optimiser count only where asked for.
    """
    shares: dict[tuple[int, ...], list[float]] = {}
    for family in AS_PEERS.get(name, [name.lower()]):
        for point in results.get(f"{family}_{what}", {}).get("points", []):
            if (share := _share(point, same_optimiser=same_optimiser)) is not None:
                shares.setdefault(tuple(point["size"].values()), []).append(share)
    return statistics.geometric_mean(map(max, shares.values())) if shares else None


def median_speed_up(results: Results, *, same_optimiser: bool = False) -> float | None:
    """Return how many times as fast as the fastest peer's our training steps are: the median over the models."""
    shares = [of_fastest_peer(name, "step", results, same_optimiser=same_optimiser) for name in MODELS]
    known = [share for share in shares if share is not None]
    return 1 / statistics.median(known) if known else None


def products_of_steps(results: Results) -> str:
    """Say why the median is not more: what part of our steps both sides have to take."""
    profiled = by_profile(results.get("profile", {}))
    near = [name for name in MODELS if (share := of_fastest_peer(name, "step", results)) is not None and share > 0.5]
    parts = [f"{profiled[name]:.0%} of {name}'s" for name in near if name in profiled]
    return (
        f"The fastest peers of {', '.join(near)} take less than twice our time. They make much the same matrix "
        f"products, and those alone are {', '.join(parts)} step at width 64: only the rest can be faster. All are "
        "profiled below"
    )


def by_profile(figures: Figures) -> dict[str, float]:
    """Return which part of our training steps their matrix products take alone."""
    found = {name: case["result"] for name, case in figures.get("cases", {}).items() if "result" in case}
    return {name: one["ms of its products"] / one["ms a step"] for name, one in found.items()}


GOALS = [
    Goal(
        "Training step: times as fast as the fastest peer, median over the models",
        median_speed_up,
        at_least=1.5,
        why=products_of_steps,
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
    steps = results.get("patchtst_step", {})
    on_processor = environment_of(steps).get("device") == "cpu"
    said = [_of_speed(results), FOLDED, _of_optimisers(results)] if steps else []
    said += [_of_growth(results)] if results.get("scaling_length") else []
    said += [_of_errors(results)] if results.get("accuracy_ETTh1_96") else []
    said += (
        ["No GPU was at hand, so `python -m benchmarks run --device cuda`, which is to measure there, was never tried."]
        if on_processor
        else []
    )
    return "\n".join(f"- {one}" for one in said)


FOLDED = (
    "neuralforecast's PatchTST, Informer, Autoformer, FEDformer and TFT forecast one component: Darts' wrapper makes "
    "seven windows of each window of seven, which is a factor of about seven by itself, but for PatchTST, which takes "
    "components one by one anyway. transformers' Informer and Autoformer forecast one step at a time."
)


def _of_speed(results: Results) -> str:
    figures, epoch = results["patchtst_step"], results.get("fit_epoch", {})
    where, there = environment_of(figures), environment_of(epoch)
    peers = " and ".join(f"{name} {where.get(name, '')}" for name in ("neuralforecast", "transformers", "darts"))
    clock = "Processor time of one thread" if where.get("device") == "cpu" else "Time by the clock"
    processors = [one.get("processor", "an unknown processor") for one in (where, there)]
    elsewhere = f", on {processors[1]}, the others on {processors[0]}" if epoch and len({*processors}) > 1 else ""
    return (
        f"{clock}; peers are those of {peers}. Steps and inference: the geometric mean over {len(figures['points'])} "
        f"sizes. The epoch: one turn of one size{elsewhere}.{_between_tables(results)}"
    )


def _between_tables(results: Results) -> str:
    """Say how far the same steps and inferences lie apart that were measured for several tables, on one machine."""
    said = []
    for what, words in {"step": "training steps", "inference": "inference"}.items():
        times = [_times_by_table(name, what, results) for name in MODELS]
        if apart := [max(each) / min(each) - 1 for each in times if len(each) > 1]:
            said.append(f"{words} {statistics.median(apart):.0%}, at most {max(apart):.0%}")
    if not said:
        return ""
    return (
        " What was measured for several tables, at other hours and commits, differs in the median over the models: "
        f"{'; '.join(said)}."
    )


def _times_by_table(model: str, what: str, results: Results) -> list[float]:
    """Return what a step or an inference of ours took by each table that has it, of the machine of the first."""
    size = {"batch": 32, "length": 96, "d_model": 64}
    first = f"{model.lower()}_{what}"
    cases = {first: "ours", f"others_{what}": f"our {model}"}
    cases |= dict.fromkeys([f"precision_{what}", f"compiled_{what}"], model)
    processors = {name: environment_of(results.get(name, {})).get("processor") for name in cases}
    there = [name for name, processor in processors.items() if processor == processors[first]]
    found = [value(results.get(name, {}), "time", cases[name], **size) for name in there]
    return [time for time in found if time is not None]


def _of_optimisers(results: Results) -> str:
    medians = [number(median_speed_up(results, same_optimiser=same), 2) for same in (False, True)]
    return (
        f"In the median over the models our training step is {medians[0]} times as fast as the fastest peer's. On a "
        "processor our optimiser is fused, as `fit` has it, and transformers', as its trainer has it; neuralforecast's "
        f"and Darts' are not. With neuralforecast's PatchTST and iTransformer fused too it is {medians[1]} times."
    )


def _of_growth(results: Results) -> str:
    figures = results["scaling_length"]
    slopes = [exponent("time", OVER_LENGTHS.get(name, name), start=STEEPER)(figures) for name in MODELS]
    known = [slope for slope in slopes if slope is not None]
    steeper = f", of time L^{min(known):.2f} to L^{max(known):.2f} from {STEEPER:,} on" if known else ""
    return (
        f"Growth is fitted from {FROM:,} steps on{steeper}: what is constant counts less there, and tensors outgrow "
        'the cache and the allocator. PatchTST has ProbSparse over the patches, LogSparse `mode="direct"`.'
    )


def _of_errors(results: Results) -> str:
    figures = results["accuracy_ETTh1_96"]
    longer = [name for name in LONGER if name in MODELS and mean_of(name)(figures) is not None]
    linear = " and ".join(f"{name} has {number(mean_of(name)(figures))}" for name in ("DLinear", "NLinear"))
    return (
        f"MSE: all test windows, {_seeds(results)}, widths of 16 to 256; {', '.join(longer)} look back on 336 steps, "
        "the others on 96; FEDformer keeps all modes, in the columns of speed 32. LogSparse, "
        "Autoformer, FEDformer and TFT normalise each window, which their papers do not, and see hour and weekday, as "
        f"Informer does. TimeCMA is without its language model. Darts' {linear}."
    )


def _seeds(results: Results) -> str:
    """Say how many seeds there are of the models' errors."""
    found = by_model(results.get("accuracy_ETTh1_96", {}))
    numbers = sorted({len(found[name]) for name in MODELS if name in found})
    if numbers in ([], [1]):
        return "one seed"
    return f"mean over {' to '.join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))} seeds"


def _share(point: dict[str, Any], *, same_optimiser: bool) -> float | None:
    times = {case: of_case(point, "time", case) for case in point["cases"]}
    ours = times.pop("ours", None)
    peers = [
        time
        for case, time in times.items()
        if time is not None and (same_optimiser or not case.endswith(SAME_OPTIMISER))
    ]
    return None if ours is None or not peers else ours / min(peers)
