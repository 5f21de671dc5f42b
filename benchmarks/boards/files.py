"""The files of the boards as items: read, put on their time stamps and binned as the boards have them."""

from functools import cache
from pathlib import Path

import pandas as pd
from darts import TimeSeries

from benchmarks.boards.board import Item
from benchmarks.core.data import folder
from darts_tsformers.data import read_tsf

DOUBLE = "float64"
DROPPED = {"": slice(None), "last": slice(-1), "both": slice(1, -1)}


def ett(*names: str, step: str = "", how: str = "sum", drop: str = "") -> list[Item]:
    """Return transformers, each an item of seven components."""
    return [_item(binned(table(f"{name}.csv.gz"), step, how, drop)) for name in names]


def weather(*, step: str = "", drop: str = "") -> list[Item]:
    """Return the weather of Jena on its own time stamps: one is there twice, nine are missing."""
    rows = table("weather.csv.gz")
    rows = rows[~rows.index.duplicated()].asfreq("10min")
    return [_item(binned(rows, step, "mean", drop))]


def prices(market: str) -> list[Item]:
    """Return prices of electricity, with the two forecasts that are known a day ahead."""
    rows = table(f"epf/{market}.csv.gz")
    return [Item(*(TimeSeries.from_dataframe(part) for part in (rows.iloc[:, -1:], rows.iloc[:, :-1])))]


def archive(name: str, *, step: str = "", how: str = "sum", drop: str = "") -> list[Item]:
    """Return the series of a file of the Monash archive."""
    series = [one.astype(DOUBLE) for one in read_tsf(folder() / "monash" / name)]
    return [_item(binned(one.to_dataframe(), step, how, drop)) if step else Item(one) for one in series]


def tourism() -> list[Item]:
    """Return 89 columns of tourism in Australia, each an item of quarters. The file has no dates."""
    rows = pd.read_csv(folder() / "darts" / "australian_tourism.csv", dtype=DOUBLE).iloc[:, :89]
    rows.index = pd.date_range("1998-01-01", periods=len(rows), freq="QS")
    return [_item(rows[[name]]) for name in rows]


@cache
def table(path: str | Path) -> pd.DataFrame:
    """Return a table with its stamps, in double precision."""
    return pd.read_csv(folder() / path, index_col=0, parse_dates=True).rename(columns=str.strip).astype(DOUBLE)


def binned(rows: pd.DataFrame, step: str, how: str, drop: str) -> pd.DataFrame:
    """Return sums or means by time.

    Parameters
    ----------
    rows
        With their stamps.
    step
        Frequency of the bins; empty for the rows as they are.
    how
        ``"sum"`` or ``"mean"``; NaN is left out.
    drop
        Bins to leave out: ``"last"``, ``"both"`` ends, or nothing.
    """
    if not step:
        return rows
    return rows.resample(step).agg(how)[DROPPED[drop]]


def _item(rows: pd.DataFrame) -> Item:
    return Item(TimeSeries.from_dataframe(rows))
