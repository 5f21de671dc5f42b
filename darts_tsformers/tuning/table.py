"""Tune on a table, and compare what was found with classical forecasters on rows that the search never saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from darts_tsformers.adapter.files.whole_files import whole_file
from darts_tsformers.tuning.result import Tuning
from darts_tsformers.tuning.tune import tune
from darts_tsformers.workflow import Comparison, Table, check_output_folder, compare, write_report
from darts_tsformers.workflow.checks import require_known_future
from darts_tsformers.workflow.errors import DataError, as_data_errors
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.settings import choose_settings

FILES = ("trials.csv", "trials.png")
"""What is written beside the files of a report."""


@dataclass(frozen=True)
class Tuned:
    """What a search found, and how it does on rows that the search never saw.

    Attributes
    ----------
    tuning
        The search: its errors are in scaled units.
    comparison
        The best forecaster, trained anew, beside classical ones.
    """

    tuning: Tuning
    comparison: Comparison


def tune_table(
    table: Table,
    horizon: int,
    model: str | Sequence[str] = "auto",
    *,
    season: int | None = None,
    epochs: int | None = None,
    quantiles: Sequence[float] = (),
    seed: int = 0,
    verbose: bool = True,
    **options: Any,
) -> Tuned:
    """Search on the rows before the test of :func:`~darts_tsformers.workflow.compare`, and compare what was found.

    Parameters
    ----------
    table, horizon, season, epochs, quantiles, seed, verbose
        As for ``compare``.
    model
        Names of forecasters to search among.
    **options
        Further arguments of :func:`~darts_tsformers.tuning.tune`.

    Raises
    ------
    DataError
        If an argument is out of range, or ``compare`` refuses the table.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers.tuning.table import tune_table
    >>> from darts_tsformers.workflow import Table
    >>> table = Table(TimeSeries.from_values(np.sin(np.arange(120) * 2 * np.pi / 7) + np.arange(120) % 5))
    >>> tuned = tune_table(table, 7, "itransformer", season=7, n_trials=1, epochs=1, verbose=False)
    >>> tuned.comparison.test_start >= 90
    True
    """
    require_known_future(table, horizon)
    split = choose_settings(table.target, horizon, "patchtst", season=season, quantiles=quantiles, seed=seed).split
    scaled = Scalers.fit(table, split.validation_start).transform(table)
    with as_data_errors():
        found = tune(
            model,
            scaled.target[: split.test_start],
            horizon,
            past_covariates=scaled.past_covariates,
            future_covariates=scaled.future_covariates,
            season=season,
            epochs=epochs,
            quantiles=quantiles,
            seed=seed,
            verbose=verbose,
            **options,
        )
    settings = found.settings
    comparison = compare(
        table,
        horizon,
        settings.model,
        lookback=settings.lookback,
        season=season,
        epochs=epochs,
        quantiles=quantiles,
        seed=seed,
        model_arguments=settings.model_arguments,
        verbose=verbose,
    )
    return Tuned(found, comparison)


def write_tuned(tuned: Tuned, out_dir: str | PathLike[str]) -> list[Path]:
    """Write the report of the comparison, and :data:`FILES` beside it.

    Raises
    ------
    DataError
        If the folder cannot be written to.
    """
    check_output_folder(out_dir)
    paths = write_report(tuned.comparison, out_dir)
    table, picture = (Path(out_dir) / name for name in FILES)
    try:
        with whole_file(table) as part:
            tuned.tuning.trials.to_csv(part)
        with whole_file(picture) as part:
            tuned.tuning.plot().savefig(part, format="png", dpi=150)
    except OSError as error:
        raise DataError(f"cannot write to {out_dir}: {error.strerror or error}") from error
    return [*paths, table, picture]
