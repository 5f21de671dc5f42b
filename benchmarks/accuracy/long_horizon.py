"""The public tables: every model on six data sets of long horizons and three of prices, with what was published.

Three seeds each. ETTh1 is there once more with a fifth of its values hidden.
"""

import statistics
from functools import partial
from string import Formatter
from typing import Any

from benchmarks.accuracy.models import BY_COMPONENT, EVERYWHERE, MODELS, READS_CALENDAR, encoders
from benchmarks.accuracy.protocol import actual, forecasts, repeated, scores, train, without_gaps
from benchmarks.accuracy.published import TABLES
from benchmarks.accuracy.summary import beside_published
from benchmarks.accuracy.tasks import LONGER, TASKS, Task, Variant
from benchmarks.core.figures import by_model, mean_of, seeds_of
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.tables import number
from benchmarks.core.trial import Trials

SEEDS = (1, 2, 3)


def trial(task: Task, name: str, seed: int) -> dict[str, Any]:
    """Train and score a model or a variant of one."""
    variant = task.variants.get(name, Variant(name))
    model = variant.model
    by_component = model in BY_COMPONENT
    given, future = task.read()
    seen = task.observed(given)
    seen = without_gaps(seen) if by_component or variant.sees_last_value else seen
    calendar = encoders(*task.calendar) if model in READS_CALENDAR else {}
    arguments = {**task.training, **calendar, **task.own.get(model, {}), **variant.arguments}
    lookback = task.longer if model.partition(",")[0] in LONGER else task.lookback
    made = MODELS[model](lookback, task.horizon, seed, **arguments)
    stride = 1 if model in task.whole else task.stride
    trained = train(made, seen, stride, future, by_component=by_component)
    dropped = task.patchtst_batch if model == "PatchTST" else 32
    found = scores(forecasts(made, seen, future, by_component=by_component), actual(given, task.horizon), dropped)
    made_of = {"model": name, "seed": seed, "lookback": made.input_chunk_length, "stride": stride}
    return made_of | found | trained


def models_on(task: Task) -> list[str]:
    """Return the models that a data set is forecast by: all of them on one, on the others those of before."""
    return list(MODELS if task.name == "ETTh1 96" else EVERYWHERE)


def naive(task: Task, season: int) -> dict[str, Any]:
    """Score the last season, or the last value; of gaps, the last that was observed before them."""
    given, _ = task.read()
    model = "last value" if season == 1 else "last season"
    found = scores(repeated(without_gaps(task.observed(given)), task.horizon, season), actual(given, task.horizon))
    return {"model": model, "seed": 0, "lookback": season} | found


def goals(task: Task, bounds: dict[str, float]) -> list[Goal]:
    """Return the goals that a model is at most 5 % worse than published on the same windows, and within its bound."""
    own = [
        Goal(f"{task.name}: {model}, MSE", mean_of(model), at_most=most, remark=seeds_of(model, len(SEEDS)))
        for model, most in bounds.items()
    ]
    return own + [
        Goal(
            f"{task.name}: {model} as published ({one.mse:g}), MSE",
            mean_of(model, one.what),
            at_most=1.05 * one.mse,
            why=partial(told, task.why.get(model, "")),
            remark=partial(known_of, task, model),
        )
        for model, one in TABLES.get(task.name, {}).items()
        if model in MODELS
    ]


def known_of(task: Task, model: str, figures: Figures) -> str:
    """Say what has to be known of a figure beside a published one."""
    lookback = TABLES[task.name][model].lookback
    said = {
        seeds_of(model, len(SEEDS))(figures): True,
        "knows more than the published one": task.has_future,
        "normalises each window, as the published one does not": model in NORMALISED,
        f"the published one looks back on {lookback}": any(
            result["lookback"] != lookback for result in by_model(figures).get(model, [])
        ),
    }
    return ", ".join(words for words, holds in said.items() if words and holds)


NORMALISED = ("LogSparse", "Autoformer", "FEDformer")


def told(why: str, figures: Figures) -> str:
    """Fill the errors into a reason, or say what was not measured that would be one."""
    errors = {name: number(statistics.mean(one["mse"] for one in found)) for name, found in by_model(figures).items()}
    lacking = [name for _, name, _, _ in Formatter().parse(why) if name and name not in errors]
    return f"Not run yet, and to tell why: {'; '.join(lacking)}" if lacking else why.format_map(errors)


def trials(task: Task, models: list[str], bounds: dict[str, float]) -> Trials:
    seasons = {"last value": 1, "last season": task.season}
    named = [(name, seed) for seed in SEEDS for name in models] + [(name, SEEDS[0]) for name in task.variants]
    return Trials(
        name=task.file,
        title=f"Accuracy: {task.name}",
        cases={name: partial(naive, task, season) for name, season in seasons.items()}
        | {f"{name}, seed {seed}": partial(trial, task, name, seed) for name, seed in named},
        goals=goals(task, bounds),
        summary=partial(beside_published, TABLES.get(task.name, {})),
        threads=1,
        seconds=5400,
        note=note(task, models),
    )


def note(task: Task, models: list[str]) -> str:
    """Say how the figures came about, as far as it differs from table to table."""
    said = [PRICES if task.has_future else COMPONENTS, PROTOCOL]
    if task.hidden:
        said.append(GAPS.format(share=task.hidden))
    if set(BY_COMPONENT) & set(models):
        said.append(LINEAR)
    return " ".join(filter(None, [*said, NORMS, CALENDAR.format(parts=", ".join(task.calendar)), CHOSEN, task.chosen]))


PRICES = (
    "The price alone is forecast; the two columns beside it are known over the horizon, as they are a day ahead. The "
    "published models saw them up to the present only: to be better than those is no merit of ours."
)
COMPONENTS = (
    "All components are forecast: by PatchTST each from itself, by the others from all unless said otherwise. "
    "AutoTimes, TEMPO, Time-LLM and TimeCMA forecast without a language model unless said otherwise."
)
PROTOCOL = (
    "Errors on the standardised scale, means over the seeds, over all test windows. Most papers leave out the last "
    "windows, which do not fill a batch: the column of published windows leaves out the same, and is of all where the "
    "paper named beside it leaves out none or does not say. The spread is that from the best seed to the worst."
)
GAPS = (
    "{share:.0%} of the values are hidden, in training and in what is forecast from; errors are against all that came. "
    "DLinear and NLinear, which take no gaps, see the last value repeated across them, in validation as well: such "
    "losses do not compare with those of the others."
)
LINEAR = "DLinear and NLinear, which are Darts', see one component at a time, as in their paper."
NORMS = (
    "Autoformer, FEDformer, LogSparse and TFT normalise each window unless said otherwise, which their papers do not; "
    "Informer does where it is named so."
)
CHOSEN = (
    "Rates and sizes are chosen by the validation loss, which stands in the table where every seed kept it; what was "
    "tried beside them is stored only where the table has it."
)
CALENDAR = "Informer, LogSparse, Autoformer, FEDformer and TFT see the calendar ({parts}), the others do not."
BOUNDS = {"ETTh1 96": {"PatchTST": 0.385, "iTransformer": 0.395, "FEDformer": 0.41, "Autoformer": 0.48}}
BENCHMARKS = [
    *(trials(task, models_on(task), BOUNDS.get(task.name, {})) for task in TASKS),
    trials(
        Task(data="ETTh1", horizon=24, lookback=48, longer=48, season=24),
        ["Informer", "Informer, instance norm"],
        {"Informer": 0.65},
    ),
]
