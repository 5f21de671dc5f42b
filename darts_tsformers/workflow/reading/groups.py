"""The series of a long table: which rows are of which, and what is known of each as a whole."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.reading.cells import is_numeric, numbers, place, quoted
from darts_tsformers.workflow.table import Id, id_text


def rows_by_id(cells: pd.DataFrame, ids: Sequence[str]) -> dict[Id, NDArray[np.intp]]:
    """Return the rows of each series, in the order in which the file begins them.

    Raises
    ------
    DataError
        If a cell of an id column is empty.
    """
    if not ids:
        return {"": np.arange(len(cells))}
    _refuse_empty("id", cells, ids)
    texts = cells[list(ids)].astype(str).apply(lambda column: column.str.strip())
    by = list(ids) if len(ids) > 1 else ids[0]
    return dict(texts.reset_index(drop=True).groupby(by, sort=False).indices)


def static_covariates(
    cells: pd.DataFrame, names: Sequence[str], groups: Mapping[Id, NDArray[np.intp]]
) -> dict[Id, pd.DataFrame | None]:
    """Return for each series one row with its static covariates: numbers where the whole column has numbers, else text.

    Raises
    ------
    DataError
        If a cell is empty, or a column has two values for one series.
    """
    if not names:
        return dict.fromkeys(groups)
    _refuse_empty("static", cells, names)
    first = np.array([rows[0] for rows in groups.values()])
    for name in names:
        column = cells[name]
        codes = pd.factorize(column)[0]
        for key, rows in groups.items():
            changed = np.flatnonzero(codes[rows] != codes[rows[0]])
            if len(changed):
                of = f" within series '{id_text(key)}'" if key else ""
                raise DataError(
                    f"static column '{name}' changes{of}, from {quoted(column, rows[0])} to "
                    f"{quoted(column, rows[changed[0]])}: a static column has one value for each series"
                )
    known = cells.iloc[first]
    columns = {
        name: numbers(known, [name])[:, 0] if is_numeric(cells[name]) else known[name].astype(str).to_numpy(object)
        for name in names
    }
    frame = pd.DataFrame(columns)
    return {key: frame.iloc[[row]].reset_index(drop=True) for row, key in enumerate(groups)}


def _refuse_empty(role: str, cells: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        empty = np.flatnonzero(cells[name].isna().to_numpy())
        if len(empty):
            raise DataError(
                f"{role} column '{name}' is empty at {place(cells[name], empty[0])}: each row needs a value"
            )
