"""When and where figures were measured, in words."""

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.core.figures import environment_of, measured
from benchmarks.core.goals import Figures


def where(found: Mapping[str, Figures]) -> str:
    """Say where and when benchmarks were measured, those of one place together."""
    places: dict[str, list[str]] = {}
    for name, figures in found.items():
        places.setdefault(_place(figures), []).append(name)
    return "\n".join(
        f"- {', '.join(names)}: " + "; ".join(filter(None, [place, *_when([found[name] for name in names])])) + "."
        for place, names in places.items()
    )


def _place(figures: Figures) -> str:
    """Describe machines and versions. The commits are said of the whole group, for there are many."""
    said = environment_of(figures)
    said.pop("commit", None)
    return ", ".join(f"{name} {value}" for name, value in sorted(said.items()))


def _when(group: Iterable[Figures]) -> list[str]:
    all_of_them: list[dict[str, Any]] = [one for figures in group for one in measured(figures)]
    days = sorted({one["at"][:10] for one in all_of_them if "at" in one})
    commits = dict.fromkeys(
        one["environment"]["commit"] for one in all_of_them if "commit" in one.get("environment", {})
    )
    dated = f"measured {' to '.join(dict.fromkeys([days[0], days[-1]]))}" if days else ""
    return [dated, f"at commit {' and '.join(commits)}" if commits else ""]
