"""Which column of a table is what."""

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

import pandas as pd

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.reading.cells import first_text, is_numeric, listed, require_columns
from darts_tsformers.workflow.reading.time_column import find_time_column

_SHOWN = 3


@dataclass(frozen=True)
class Roles:
    """Names of columns, each in one role at most.

    Attributes
    ----------
    time
        The time column.
    targets, past, future
        What is to be forecast, what is known up to the last target, and what is known beyond.
    ids, static
        What tells several series apart, and what is known of each as a whole.
    """

    time: str
    targets: list[str]
    past: list[str]
    future: list[str]
    ids: list[str]
    static: list[str]


def find_roles(
    cells: pd.DataFrame,
    time: str | None,
    targets: Sequence[str],
    past: Sequence[str],
    future: Sequence[str],
    ids: Sequence[str],
    static: Sequence[str],
) -> Roles:
    """Find the time column if it is not given, and the target if there is none.

    Raises
    ------
    DataError
        If a name is no column, or one has two roles; or the time or the target is not clear.
    """
    given = [*targets, *past, *future, *ids, *static]
    require_columns(cells, [*([] if time is None else [time]), *given])
    time = find_time_column(cells, given) if time is None else time
    targets = list(targets) or [_only_target(cells, {time, *given})]
    roles = Roles(time, targets, list(past), list(future), list(ids), list(static))
    _require_one_role([time, *targets, *past, *future, *ids, *static])
    return roles


def _only_target(cells: pd.DataFrame, taken: Container[str]) -> str:
    others = [name for name in cells.columns if name not in taken]
    candidates = [name for name in others if is_numeric(cells[name])]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise DataError(f"several columns could be the target: choose from {listed(candidates)} (--target)")
    reasons = "; ".join(f"column '{name}' has {first_text(cells[name])}" for name in others[:_SHOWN])
    raise DataError(f"no numeric column to forecast: {reasons or 'there are no columns left'}")


def _require_one_role(names: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"column '{repeated[0]}' is named twice: a column is time, target, past covariate, future covariate, id or "
            "static"
        )
