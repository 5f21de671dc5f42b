"""How a file writes its numbers: what stands before decimals, and what between thousands."""

from collections.abc import Container
from dataclasses import dataclass

import pandas as pd
from pandas.api.types import is_string_dtype

from darts_tsformers.workflow.errors import DataError

_SPACES = " \u00a0\u202f"
_MARKS = {",": ",", ".": r"\.", " ": f"[{_SPACES}]", "'": "['’]"}
_MARKED = rf"\s*[+-]?\d[\d.,'’{_SPACES}]*(?:[eE][+-]?\d+)?\s*"


@dataclass(frozen=True)
class Numerals:
    """One way to write numbers.

    Attributes
    ----------
    decimal, thousands
        ``"1.234,5"`` has a comma before its decimals and a point between thousands.
    """

    decimal: str
    thousands: str

    def __str__(self) -> str:
        return f"1{self.thousands}234{self.decimal}5"

    def fits(self, cells: pd.Series) -> pd.Series:
        """Tell which cells are numbers that are written in this way; thousands may go without their mark."""
        whole = rf"[1-9]\d{{0,2}}(?:{_MARKS[self.thousands]}\d{{3}})+|\d+"
        return cells.str.fullmatch(rf"\s*[+-]?(?:{whole})(?:{_MARKS[self.decimal]}\d+)?(?:[eE][+-]?\d+)?\s*", na=False)

    def plain(self, cells: pd.Series) -> pd.Series:
        """Write the cells that fit as programs do, ``1234.5``, and leave the others as they are."""
        bare = cells.str.replace(_MARKS[self.thousands], "", regex=True).str.replace(self.decimal, ".", regex=False)
        return cells.mask(self.fits(cells), bare)


_WAYS = [Numerals(",", "."), Numerals(".", ","), *(Numerals(point, mark) for mark in " '" for point in ".,")]


def plain_numbers(
    cells: pd.DataFrame, decimal: str | None = None, thousands: str | None = None, kept: Container[str] = ()
) -> tuple[pd.DataFrame, Numerals | None]:
    """Write all numbers as programs do.

    The way to read them is the one in which most cells become numbers that are none as they stand. If all of these
    could be read in two ways, such as ``1,234``, they stay as they are. So does a column some of whose numbers are
    written in no other way than programs do.

    Parameters
    ----------
    cells
        Columns of a file.
    decimal, thousands
        What stands before decimals, and what between thousands; found by default.
    kept
        Columns that are no numbers.

    Returns
    -------
    The cells, and how they were written: None if already as programs do, or if that is not clear.

    Raises
    ------
    DataError
        If a mark is unknown, or both are the same.
    """
    ways = _ways(decimal, thousands)
    texts = {
        name: _Texts.of(cells[name]) for name in cells.columns if name not in kept and is_string_dtype(cells[name])
    }
    is_given = decimal is not None or thousands is not None
    if not is_given and not any(column.has_marks() for column in texts.values()):
        return cells, None
    gained = [pd.concat([column.gained(way) for column in texts.values()]) for way in ways]
    most = max(map(len, gained))
    best = [k for k, found in enumerate(gained) if len(found) == most]
    readings = {tuple(ways[k].plain(gained[k])) for k in best}
    if not is_given and (most == 0 or len(readings) > 1):
        return cells, None
    way = ways[best[0]]
    return cells.assign(**{name: way.plain(cells[name]) for name in texts if texts[name].allows(way)}), way


@dataclass(frozen=True)
class _Texts:
    """The different cells of a column, and which are numbers as they stand."""

    cells: pd.Series
    plain: pd.Series

    @classmethod
    def of(cls, column: pd.Series) -> "_Texts":
        cells = column.dropna().drop_duplicates()
        return cls(cells, pd.to_numeric(cells, errors="coerce").notna())

    def has_marks(self) -> bool:
        """Whether some cells could be numbers that are written in another way."""
        return bool(self.cells[~self.plain].str.fullmatch(_MARKED, na=False).any())

    def allows(self, way: Numerals) -> bool:
        """Whether all that are numbers as they stand are numbers in this way too."""
        return bool((way.fits(self.cells) | ~self.plain).all())

    def gained(self, way: Numerals) -> pd.Series:
        """Return the cells that are numbers in this way alone."""
        return self.cells[way.fits(self.cells) & ~self.plain] if self.allows(way) else self.cells.iloc[:0]


def _ways(decimal: str | None, thousands: str | None) -> list[Numerals]:
    if decimal is not None and decimal not in (".", ","):
        raise DataError(f"decimal '{decimal}' must be a point or a comma")
    if thousands is not None and thousands not in _MARKS:
        raise DataError(f"thousands '{thousands}' must be a comma, a point, a space or an apostrophe")
    if decimal is not None and decimal == thousands:
        raise DataError(f"decimal and thousands are both '{decimal}': they must differ")
    return [way for way in _WAYS if decimal in (None, way.decimal) and thousands in (None, way.thousands)]
