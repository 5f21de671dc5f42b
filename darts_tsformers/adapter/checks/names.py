"""Components by their names: given in another order than in training they would be taken for each other."""

from collections.abc import Sequence
from typing import Any

from darts import TimeSeries

Names = dict[str, list[str]]
"""Components of the target and of the covariates, by the name of the argument."""


def names_of(**given: Sequence[TimeSeries] | None) -> Names:
    """Return the names that all series of a kind have, in the order of the first; of other kinds nothing is known."""
    found = {}
    for name, several in given.items():
        components = [list(one.components) for one in several or ()]
        if components and all(set(one) == set(components[0]) for one in components):
            found[name] = components[0]
    return found


def in_order(name: str, given: Sequence[TimeSeries], names: Names) -> Sequence[TimeSeries]:
    """Put the components of covariates in the order of training.

    Raises
    ------
    ValueError
        If one has others; the message names it, those that are missing and those that were not trained with.
    """
    trained = names.get(name)
    if trained is None:
        return given
    ordered = []
    for i, one in enumerate(given):
        components = list(one.components)
        if set(components) != set(trained):
            raise ValueError(f"{name} {i} {_difference(components, trained)}")
        ordered.append(one if components == trained else one[trained])
    return ordered


def check_rows(name: str, rows: Any, components: Sequence[str]) -> None:
    """Raise ``ValueError`` if rows to follow on are of several components, by other names or in another order."""
    if isinstance(rows, TimeSeries) and rows.n_components == len(components) > 1:
        given = list(rows.components)
        if given != list(components):
            raise ValueError(f"{name} has the components {given}, which must be in the order of training: {components}")


def like(series: Sequence[TimeSeries], given: Sequence[TimeSeries]) -> list[TimeSeries]:
    """Put what goes with series, such as weights, in the order of their components, where it has their names."""
    pairs = [(list(each.components), one) for each, one in zip(series, given, strict=True)]
    return [one[names] if set(names) == set(one.components) else one for names, one in pairs]


def check_target(series: Sequence[TimeSeries], names: Names, tie: str | None) -> None:
    """Raise ``ValueError`` if components of a target would be taken for others.

    That is those of training in another order, some of them with others in their number, and, for a model that is tied
    to its components, any others. One component alone may have any name.

    Parameters
    ----------
    tie
        What ties the model to its components, if anything does.
    """
    trained = names.get("series")
    if trained is None or len(trained) == 1:
        return
    for i, one in enumerate(series):
        components = list(one.components)
        if components == trained or len(components) != len(trained):
            continue
        known = set(components) & set(trained)
        if len(known) == len(trained):
            raise ValueError(
                f"series {i} has the components {components}, which must be in the order of training: {trained}"
            )
        if known or tie is not None:
            because = "" if tie is None else f"; the model is tied to them by {tie}"
            raise ValueError(f"series {i} {_difference(components, trained)}{because}")


def _difference(components: Sequence[str], trained: Sequence[str]) -> str:
    missing, unknown = (sorted(set(a) - set(b)) for a, b in ((trained, components), (components, trained)))
    return (
        f"has the components {list(components)}, which must be those of training, {list(trained)}: "
        f"{missing} are missing and {unknown} are unknown"
    )
