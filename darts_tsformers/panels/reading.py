"""How a table in long format is read: arguments of several methods, with their types."""

from collections.abc import Sequence
from typing import Required, TypeAlias, TypedDict

Names: TypeAlias = str | Sequence[str]


class Reading(TypedDict, total=False):
    """What the columns of a table are for; see :meth:`Panel.from_parquet`."""

    id: Required[str]
    time: Required[str]
    target: Required[Names]
    past: Names
    future: Names
    static: Names
    weight: str | None
    freq: str | int | None
    fill_gaps: bool
    rows_per_shard: int
