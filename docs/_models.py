"""The lists of forecasters that pages show: from their classes, and from what their own pages say of them."""

import statistics
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mkdocs.utils.meta import get_data

from benchmarks.accuracy.models import MODELS
from darts_tsformers.capabilities import capability_table, to_markdown
from darts_tsformers.catalogue import Entry, by_model_name, forecasters
from darts_tsformers.recommendation.evidence import measured
from darts_tsformers.recommendation.ranking import CANDIDATES

PAGES = Path(__file__).parent / "models"
BESIDE = {
    "DLinear": "trend and rest, each by a linear map (Darts' own)",
    "NLinear": "distances from the last value, by a linear map (Darts' own)",
    "last season": "nothing: it repeats the last season",
}
"""What ours are compared with where a reader decides, and what it looks at."""


@dataclass(frozen=True)
class Page:
    """The page of a forecaster, which has the name of its file.

    Attributes
    ----------
    name
        Name of the file.
    model_name
        Name of the class.
    title
        The first heading.
    looks_at, cost
        What its metadata say: what it looks at, and as what its cost grows in the look-back.
    """

    name: str
    model_name: str
    title: str
    looks_at: str
    cost: str


def page_of(entry: Entry) -> Page:
    """Return the page of a forecaster.

    Raises
    ------
    FileNotFoundError
        If there is none.
    KeyError
        If its metadata lack ``looks_at`` or ``cost``.
    """
    text, said = get_data((PAGES / f"{entry.name}.md").read_text(encoding="utf-8"))
    title = text.lstrip().partition("\n")[0].removeprefix("# ")
    return Page(entry.name, entry.model_name, title, said["looks_at"], said["cost"])


def measured_as(page: str) -> str | None:
    """Return the name that the benchmarks give to the model of a page; None if they do not have it."""
    names = {build.args[0].__module__: name for name, build in reversed(MODELS.items())}
    return names.get(f"darts_tsformers.models.{page}")


def overview() -> str:
    """Tabulate what each forecaster looks at, its cost and the components it serves."""
    any_number = _capabilities()["another number of targets at prediction"]
    lines = [
        "| model | looks at | its cost grows in the look-back as | components |",
        "| --- | --- | --- | --- |",
        *(
            f"| [{page.title}](models/{page.name}.md) | {page.looks_at} | {page.cost} | "
            f"{'any number' if any_number[page.model_name] else 'those of training'} |"
            for page in map(page_of, forecasters().values())
        ),
    ]
    return "\n".join(lines)


def decide() -> str:
    """Tabulate how far each forecaster is from the best on public data, and how long it trains."""
    evidence = measured()
    excess = {name: [evidence.excess(data)[name] for data in evidence.errors] for name in (*CANDIDATES, *BESIDE)}
    means = {name: statistics.geometric_mean(found) for name, found in excess.items()}
    lines = [
        "| forecaster | looks at | error: mean | worst | an epoch |",
        "| --- | --- | --: | --: | --: |",
        *(
            f"| {_linked(name)} | {mean:.2f} | {max(excess[name]):.2f} | {_seconds(evidence.seconds.get(name))} |"
            for name, mean in sorted(means.items(), key=lambda one: one[1])
        ),
        "",
        f"Errors are mean squared errors over {len(evidence.errors)} public data sets, as multiples of the lowest: "
        "1.00 is the best on all of them. An epoch has 8,449 windows of 7 targets, on one CPU core.",
    ]
    return "\n".join(lines)


def _linked(name: str) -> str:
    if name in BESIDE:
        return f"{name} | {BESIDE[name]}"
    model, arguments = CANDIDATES[name]
    page = page_of(by_model_name()[model])
    with_these = "".join(f", `{name}={value!r}`" for name, value in arguments.items())
    return f"[{page.title}](docs/models/{page.name}.md){with_these} | {page.looks_at}"


def _seconds(found: float | None) -> str:
    return "–" if found is None else f"{found:.0f} s"


def listed() -> str:
    """Name all forecasters, each with a link to its page."""
    pages = [page_of(entry) for entry in forecasters().values()]
    names = [f"[{page.title}](docs/models/{page.name}.md)" for page in pages]
    return f"All {len(pages)}: {', '.join(names)}."


def capabilities() -> str:
    """Tabulate what each forecaster can do."""
    return to_markdown(_capabilities())


_capabilities = cache(capability_table)
