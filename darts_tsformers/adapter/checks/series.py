"""Checks of the series a model is given, and of their static covariates."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers.checks import require_at_least
from darts_tsformers.window.statics import Category

Given: TypeAlias = TimeSeries | Sequence[TimeSeries] | None
MADE_BY = {
    pd.DataFrame: "from_dataframe(table, time_col, value_cols)",
    pd.Series: "from_series(series)",
    np.ndarray: "from_values(values)",
}
"""Calls of Darts that make a series of what is none."""
EmbeddingSizes = dict[str, int | tuple[int, int]]


def given_or_kept(model: Any, series: Given) -> TimeSeries | Sequence[TimeSeries]:
    """Return the series, or where none is given the one the model was trained on.

    Raises
    ------
    ValueError
        If the model keeps none.
    """
    given: Given = model.training_series if series is None else series
    if given is None:
        raise ValueError(
            "series=None must be one or several series: the model keeps none when it is trained on several or saved "
            "with clean=True"
        )
    return given


def check_series(name: str, given: Any) -> None:
    """Raise ``ValueError`` unless it is one series, or a sequence of some: a list, or one that reads as it is asked.

    Of the latter the first alone is looked at.
    """
    if isinstance(given, TimeSeries):
        return
    is_sequence = hasattr(given, "__len__") and hasattr(given, "__getitem__") and not isinstance(given, str | dict)
    made_by = next((call for kind, call in MADE_BY.items() if isinstance(given, kind)), "")
    if made_by or not is_sequence:
        how = f"; make one by TimeSeries.{made_by}" if made_by else ""
        raise ValueError(f"{name} must be one or several TimeSeries, not of type {type(given).__name__}{how}")
    if len(given) == 0:
        raise ValueError(f"{name} must be one or several series, not an empty {type(given).__name__}")
    for i, one in enumerate(given if isinstance(given, list | tuple) else [given[0]]):
        if not isinstance(one, TimeSeries):
            raise ValueError(f"{name} {i} must be a TimeSeries, not of type {type(one).__name__}")


def check_widths(series: Sequence[TimeSeries]) -> None:
    """Raise ``ValueError`` if the series differ in their number of components: no batch can be made of them."""
    for i, one in enumerate(series):
        if one.n_components != series[0].n_components:
            raise ValueError(
                f"series {i} has {one.n_components} components and series 0 has {series[0].n_components}: series given "
                "together must have the same number; forecast those of other widths by calls of their own"
            )


def check_finite(**given: Sequence[TimeSeries] | None) -> None:
    """Raise ``ValueError`` if a value is infinite: all forecasts that see it would be lost."""
    for name, several in given.items():
        for i, one in enumerate(several or ()):
            if np.isinf(one.all_values(copy=False)).any():
                raise ValueError(f"{name} {i} has infinite values; what was not observed has to be NaN")


def check_observed(series: Sequence[TimeSeries]) -> None:
    """Raise ``ValueError`` if nothing was observed in any series: there is nothing to learn from."""
    if all(np.isnan(one.all_values(copy=False)).all() for one in series):
        raise ValueError("series must have values that were observed, to train or to validate on")


def check_statics(series: Sequence[TimeSeries]) -> None:
    """Raise ``ValueError`` if some series have static covariates and others none or other rows, or one is infinite."""
    n_rows = [0 if one.static_covariates is None else len(one.static_covariates) for one in series]
    for i, (one, n) in enumerate(zip(series, n_rows, strict=True)):
        if n != n_rows[0]:
            raise ValueError(
                f"series {i} has {n} rows of static covariates and series 0 has {n_rows[0]}: series given together "
                "must all have none, one row for all components, or one for each"
            )
        if n > 0 and np.isinf(one.static_covariates.select_dtypes("number")).any(axis=None):
            raise ValueError(f"series {i} has infinite static covariates; what is not known has to be NaN")


def static_names(series: Sequence[TimeSeries] | None) -> list[str] | None:
    """Return the names of the first series' static covariates; None if it has none, or there are no series."""
    return None if not series or series[0].static_covariates is None else list(series[0].static_covariates.columns)


def with_statics_in_order(series: Sequence[TimeSeries], names: Sequence[str]) -> list[TimeSeries]:
    """Put the static covariates of each series in the order of training.

    Raises
    ------
    ValueError
        If a series has others; the message names it, its static covariates and those of training.
    """
    ordered = []
    for i, one in enumerate(series):
        given = [] if one.static_covariates is None else list(one.static_covariates.columns)
        if given and set(given) != set(names):
            raise ValueError(f"series {i} has the static covariates {given}, which must be those of training: {names}")
        ordered.append(
            one.with_static_covariates(one.static_covariates[list(names)]) if given not in ([], names) else one
        )
    return ordered


def check_embedding_sizes(sizes: EmbeddingSizes | None) -> None:
    """Raise ``ValueError`` if the sizes are not name to cardinality, or to cardinality and width."""
    if sizes is None:
        return
    rule = "must be a dict of name to cardinality, or to (cardinality, width)"
    if not isinstance(sizes, dict):
        raise ValueError(f"categorical_embedding_sizes={sizes!r} {rule}")
    for name, size in sizes.items():
        if isinstance(size, tuple) and len(size) != 2:
            raise ValueError(f"categorical_embedding_sizes[{name!r}]={size!r} {rule}")
        for number in size if isinstance(size, tuple) else (size,):
            require_at_least(1, **{f"categorical_embedding_sizes[{name!r}]": number})


def resolve_categories(sizes: EmbeddingSizes, columns: Sequence[str] | None) -> list[tuple[int, int, int]]:
    """Find the named categories among the static covariates.

    Returns
    -------
    For each its column, cardinality and width, see :class:`~darts_tsformers.window.statics.Category`. A cardinality
    alone gets the width ``round(1.6 * cardinality ** 0.56)``, at most 600.

    Raises
    ------
    ValueError
        If a name is not among the static covariates.
    """
    columns = list(columns or ())
    categories = []
    for name, size in sizes.items():
        if name not in columns:
            raise ValueError(
                f"categorical_embedding_sizes names {name!r}, which must be one of the static covariates {columns}"
            )
        cardinality, width = size if isinstance(size, tuple) else (size, min(600, round(1.6 * size**0.56)))
        categories.append((columns.index(name), cardinality, width))
    return categories


def check_categories(series: Sequence[TimeSeries], categories: Sequence[tuple[int, int, int]]) -> None:
    """Raise ``ValueError`` if a code is no category: it names series, static covariate, value and what is allowed."""
    for category in map(Category._make, categories):
        for i, one in enumerate(series):
            static = one.static_covariates
            if static is None:
                continue
            codes = static.iloc[:, category.column].to_numpy(dtype=float)
            bad = ~((codes >= 0) & (codes < category.cardinality) & (codes == np.round(codes)))
            if bad.any():
                raise ValueError(
                    f"static covariate {static.columns[category.column]!r} of series {i} has the category "
                    f"{codes[bad][0]:g}, which must be an integer from 0 to {category.cardinality - 1}; "
                    f"see categorical_embedding_sizes"
                )
