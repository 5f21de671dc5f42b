"""When and where figures were measured, in words."""

from collections.abc import Iterable, Mapping

from benchmarks.core.figures import environment_of, measured
from benchmarks.core.goals import Figures


def where(found: Mapping[str, Figures]) -> str:
    """Say where and when benchmarks were measured, those of one place together."""
    places: dict[str, list[str]] = {}
    for name, figures in found.items():
        places.setdefault(_place(figures), []).append(name)
    return "\n".join(
        f"- {', '.join(_named(name, found[name]) for name in names)}: "
        + "; ".join(filter(None, [place, _when(found[name] for name in names)]))
        + "."
        for place, names in places.items()
    )


def _place(figures: Figures) -> str:
    """Describe machines and versions. The commits are said of each benchmark, for there are many."""
    said = environment_of(figures)
    said.pop("commit", None)
    return ", ".join(f"{name} {value}" for name, value in sorted(said.items()))


def _named(name: str, figures: Figures) -> str:
    """Name a benchmark and the commits that it was measured at, where they are known."""
    commits = environment_of(figures).get("commit")
    return f"{name} (at {commits})" if commits else name


def _when(group: Iterable[Figures]) -> str:
    days = sorted({one["at"][:10] for figures in group for one in measured(figures) if "at" in one})
    return f"measured {' to '.join(dict.fromkeys([days[0], days[-1]]))}" if days else ""
