"""The lists of forecasters that pages show: from their classes, and from what their own pages say of them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mkdocs.utils.meta import get_data

from benchmarks.accuracy.models import MODELS
from darts_tsformers.capabilities import capability_table, to_markdown
from darts_tsformers.catalogue import Entry, forecasters

PAGES = Path(__file__).parent / "models"


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


def capabilities() -> str:
    """Tabulate what each forecaster can do."""
    return to_markdown(_capabilities())


_capabilities = cache(capability_table)
