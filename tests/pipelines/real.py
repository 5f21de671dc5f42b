"""The series beside the tests, as Darts' series."""

from functools import cache
from pathlib import Path

import pandas as pd
from darts import TimeSeries

FOLDER = Path(__file__).parents[1] / "data"


@cache
def read(name: str, freq: str | None = None) -> TimeSeries:
    """Return all value columns of a file; its dates become the index if ``freq`` says how far they are apart."""
    table = pd.read_csv(FOLDER / f"{name}.csv")
    if freq is not None:
        dates = table.columns[0] if name != "wineind" else "date"
        index = pd.DatetimeIndex(table.pop(dates), freq=freq)
        table = table.set_index(index)
    return TimeSeries.from_dataframe(table.astype("float32"))
