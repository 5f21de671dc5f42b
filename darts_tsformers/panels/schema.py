"""What a stored panel says of itself: its columns, its time axis, its categories and its shards."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from darts_tsformers.panels.times import Axis

FILE = "panel.json"
VERSION = 1
VALUES = ("target", "past", "future", "weight")
"""Kinds of columns that have a value for each step."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table in long format, by what they are for.

    Attributes
    ----------
    id, time
        Which series a row belongs to, and when it was observed.
    target
        What is forecast.
    past, future, static
        Covariates that are known up to the forecast, over its horizon too, and for a series as a whole.
    weight
        How much a step counts in training; None if all count the same.
    """

    id: str
    time: str
    target: tuple[str, ...]
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    weight: tuple[str, ...] = ()

    @classmethod
    def named(
        cls,
        *,
        id: str,
        time: str,
        target: str | Sequence[str],
        past: str | Sequence[str] = (),
        future: str | Sequence[str] = (),
        static: str | Sequence[str] = (),
        weight: str | None = None,
    ) -> Self:
        """Return checked columns; one name may stand for a list of one.

        Raises
        ------
        ValueError
            If there is no target, or a column has two roles.
        """
        groups = {"target": target, "past": past, "future": future, "static": static}
        lists = {role: (names,) if isinstance(names, str) else tuple(names) for role, names in groups.items()}
        columns = cls(id=id, time=time, **lists, weight=() if weight is None else (weight,))
        if not columns.target:
            raise ValueError(f"target={target!r} must name at least one column")
        everything = columns.all
        twice = next((name for name in everything if everything.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"column {twice!r} must be named once: a column has one role")
        return columns

    @property
    def all(self) -> list[str]:
        """Every column, each once."""
        return [self.id, self.time, *(name for role in (*VALUES, "static") for name in getattr(self, role))]

    def of(self, role: str) -> tuple[str, ...]:
        """Return the names of the columns of a role."""
        names: tuple[str, ...] = getattr(self, role)
        return names


@dataclass(frozen=True)
class ShardInfo:
    """One shard: its folder, how much it holds, and a checksum of each of its files."""

    name: str
    n_series: int
    n_rows: int
    checksums: dict[str, int]


@dataclass(frozen=True)
class Schema:
    """All that is needed to read a panel.

    Attributes
    ----------
    columns
        By role.
    axis
        Between stamps and whole numbers of steps.
    text_ids
        Whether ids are text; otherwise they are integers.
    categories
        Of each static column of text its values; a code is a place in this list.
    shards
        In the order of the series.
    """

    columns: Columns
    axis: Axis
    text_ids: bool
    categories: dict[str, list[str]]
    shards: list[ShardInfo] = field(default_factory=list)

    @property
    def checksum(self) -> str:
        """A checksum of the whole panel, files included."""
        return f"{zlib.crc32(self._json().encode()):08x}"

    def write(self, folder: Path) -> None:
        """Write it into the folder of the panel."""
        (folder / FILE).write_text(self._json(), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it from the folder of a panel.

        Raises
        ------
        ValueError
            If there is no panel, or one that this version cannot read.
        """
        try:
            stored: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"{folder} holds no panel: {FILE} cannot be read") from error
        except json.JSONDecodeError as error:
            raise ValueError(f"{folder / FILE} is damaged: {error}") from error
        version = stored.pop("version", None)
        if version != VERSION:
            raise ValueError(f"{folder} holds a panel of version {version!r}; this package reads version {VERSION}")
        return cls(
            columns=Columns(**{name: _hashable(value) for name, value in stored.pop("columns").items()}),
            axis=Axis(**stored.pop("axis")),
            shards=[ShardInfo(**shard) for shard in stored.pop("shards")],
            **stored,
        )

    def _json(self) -> str:
        return json.dumps({"version": VERSION} | asdict(self), indent=1)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def widths(columns: Columns) -> Mapping[str, int]:
    """Return how many columns each role of values has; roles without any are left out."""
    return {role: len(columns.of(role)) for role in VALUES if columns.of(role)}
