"""Public data sets, by the splits of the published tables."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

VARIABLE = "DARTS_TSFORMERS_DATA"
HOURS = (8640, 11520, 14400)


@dataclass(frozen=True)
class DataSet:
    """A table of series with its split, standardised by its training rows.

    Attributes
    ----------
    frame
        ``(rows, components)``, float32.
    train, validation
        Rows at which the training part and the validation part end; the test part takes the rest.
    """

    frame: pd.DataFrame
    train: int
    validation: int


@dataclass(frozen=True)
class _File:
    path: str
    ends: tuple[int, int, int] | None = None
    """Ends of the three parts; None for 70, 10 and 20 % of the rows."""
    frequency: str | None = None
    """Given where the stamps of the file are not regular."""


FILES = {
    "ETTh1": _File("ETTh1.csv.gz", HOURS),
    "ETTh2": _File("ETTh2.csv.gz", HOURS),
    "ETTm1": _File("ETTm1.csv.gz", (4 * HOURS[0], 4 * HOURS[1], 4 * HOURS[2])),
    "exchange_rate": _File("exchange_rate.csv"),
    "weather": _File("weather.csv.gz", frequency="10min"),
    "national_illness": _File("national_illness.csv"),
    "epf_NP": _File("epf/NP.csv.gz"),
    "epf_PJM": _File("epf/PJM.csv.gz"),
    "epf_BE": _File("epf/BE.csv.gz"),
}


def folder() -> Path:
    """Return where the files are.

    Raises
    ------
    FileNotFoundError
        If the environment variable does not name a folder.
    """
    named = os.environ.get(VARIABLE, "")
    if not named or not Path(named).is_dir():
        raise FileNotFoundError(f"{VARIABLE}={named!r} must name the folder that holds the data sets")
    return Path(named)


def read(name: str) -> DataSet:
    """Return a data set.

    Raises
    ------
    FileNotFoundError
        If there is no folder of data, or the file is not in it.
    """
    file = FILES[name]
    frame = pd.read_csv(folder() / file.path, index_col=0, parse_dates=True).rename(columns=str.strip)
    if file.frequency:
        frame.index = pd.date_range(frame.index[0], periods=len(frame), freq=file.frequency)
    train, validation, end = file.ends or shares(len(frame))
    return standardised(frame.iloc[:end].astype(np.float32), train, validation)


def shares(n: int) -> tuple[int, int, int]:
    """Return the ends of 70 % for training and the last 20 % for testing."""
    return int(0.7 * n), n - int(0.2 * n), n


def standardised(frame: pd.DataFrame, train: int, validation: int) -> DataSet:
    """Standardise by the training part."""
    of_training = frame.iloc[:train]
    return DataSet((frame - of_training.mean()) / of_training.std(ddof=0), train, validation)
