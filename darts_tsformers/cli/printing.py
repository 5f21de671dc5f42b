"""Tables on the terminal, and remarks beside them. There are no colours where nobody looks on."""

import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid

if TYPE_CHECKING:
    import pandas as pd

    from darts_tsformers.workflow import Comparison, PanelComparison, Table, Tables

_WIDE = 10_000
"""Columns where no terminal limits them."""


def remark(table: "Table | Tables") -> None:
    """Say on stderr what was found in a table that was read."""
    for said in table.notes:
        print(said, file=sys.stderr)


def print_comparison(comparison: "Comparison | PanelComparison") -> None:
    """Print what a comparison found."""
    print(comparison.heading())
    print_frame(comparison.scores, best="MASE")


def print_frame(frame: "pd.DataFrame", best: str | None = None, digits: int = 4) -> None:
    """Print a data frame with its index.

    Parameters
    ----------
    frame
        Numbers get so many significant digits.
    best
        A column: the row that is lowest in it is marked.
    digits
        Significant digits.
    """
    lowest = None if best is None or frame[best].isna().all() else int(frame[best].argmin())
    table = Grid(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(str(frame.index.name or ""))
    for name in frame.columns:
        table.add_column(str(name), justify="right" if frame[name].dtype.kind in "if" else "left")
    if best is not None:
        table.add_column("")
    for row, (label, *values) in enumerate(frame.itertuples()):
        mark = [] if best is None else ["best" if row == lowest else ""]
        cells = [str(label), *(_cell(value, digits) for value in values), *mark]
        table.add_row(*cells, style="bold green" if row == lowest else None)
    console().print(table)


def console() -> Console:
    """Return what prints on stdout as it is now."""
    width = None if sys.stdout.isatty() else _WIDE
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, soft_wrap=False)


def _cell(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
