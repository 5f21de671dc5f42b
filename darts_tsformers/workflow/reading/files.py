"""Which format a file has."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path

import pandas as pd

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.reading.delimited import of_text
from darts_tsformers.workflow.reading.source import Source, of_arrow, of_excel, of_frame, require_file
from darts_tsformers.workflow.reading.tsf import of_tsf

_FORMATS: dict[str, Callable[[Path], Source]] = {
    ".xlsx": of_excel,
    ".xlsm": of_excel,
    ".parquet": of_arrow,
    ".feather": of_arrow,
    ".tsf": of_tsf,
    ".tsf.gz": of_tsf,
}
_OTHER_SHEETS = (".xls", ".xlsb", ".ods")


def read_source(data: str | PathLike[str] | pd.DataFrame, separator: str | None = None) -> Source:
    """Read a file by what its name ends with; all that is no other format is text.

    Raises
    ------
    DataError
        If there is no such file, it is not what its name says, the package that reads it is not installed, or a
        separator is given for a file that has none.
    """
    if isinstance(data, pd.DataFrame):
        return of_frame(data)
    if not isinstance(data, str | PathLike):
        raise DataError(f"data must be the path of a file or a DataFrame, not of type {type(data).__name__}")
    path = Path(data)
    require_file(path)
    name = path.name.lower()
    if name.endswith(_OTHER_SHEETS):
        raise DataError(f"{path} is a spreadsheet of another kind: save it as .xlsx")
    read = next((read for ending, read in _FORMATS.items() if name.endswith(ending)), None)
    if read is None:
        return of_text(path, separator)
    if separator is not None:
        raise DataError(f"separator '{separator}' does not fit {path}: only text files have one")
    return read(path)
