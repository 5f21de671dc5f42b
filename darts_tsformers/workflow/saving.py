"""A forecaster in a folder: what it is as JSON, and what it has learnt as safetensors. Never a pickle."""

import json
import math
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from darts_tsformers import __version__
from darts_tsformers.adapter.files.digest import digest_of
from darts_tsformers.adapter.files.plain_model import arguments_of, load_weights, save_weights
from darts_tsformers.catalogue import by_model_name
from darts_tsformers.workflow.baselines import Baseline
from darts_tsformers.workflow.beside import KINDS
from darts_tsformers.workflow.columns import Columns
from darts_tsformers.workflow.comparison import Comparison
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.forecaster import TableForecaster
from darts_tsformers.workflow.process import quiet_libraries
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.splits import Split
from darts_tsformers.workflow.training import build

SETTINGS, WEIGHTS = "settings.json", "model.safetensors"


def write_forecaster(comparison: Comparison, folder: Path) -> None:
    """Write ``settings.json`` and ``model.safetensors``, which :func:`load` reads.

    Raises
    ------
    DataError
        If an argument of the model is no plain data, such as a function.
    """
    record = describe(comparison)
    save_weights(comparison.model, folder / WEIGHTS)
    record["weights"] = digest_of(folder / WEIGHTS)
    (folder / SETTINGS).write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def load(folder: str | PathLike[str]) -> TableForecaster:
    """Read the forecaster that :func:`~darts_tsformers.workflow.write_report` has written.

    Nothing that is read can run code.

    Parameters
    ----------
    folder
        Where the report is; of its files ``settings.json`` and ``model.safetensors`` are needed.

    Returns
    -------
    TableForecaster
        Takes tables, series and files in the units of the data.

    Raises
    ------
    DataError
        If there is no forecaster in the folder, its files are damaged or not of one run, or its model is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers.workflow import compare, load, read_table, write_report
    >>> days = pd.date_range("2024-01-01", periods=90, freq="D")
    >>> table = read_table(pd.DataFrame({"day": days, "units": 20.0 + np.arange(90) % 7}))
    >>> paths = write_report(compare(table, horizon=7, model="patchtst", epochs=1, verbose=False), "forecast")
    >>> load("forecast").predict(table).to_frame().index[0]
    Timestamp('2024-03-31 00:00:00')
    """
    folder = Path(folder)
    record = _read(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise DataError(f"{weights} is missing: {folder} must have it beside {SETTINGS}")
    try:
        if digest_of(weights) != record["weights"]:
            raise DataError(f"{weights} is damaged, or was not written with {folder / SETTINGS}: forecast anew")
        with quiet_libraries():
            return _restored(record, weights)
    except (KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{folder / SETTINGS} does not describe a forecaster of version {__version__}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _read(folder: Path) -> dict[str, Any]:
    path = folder / SETTINGS
    if not path.is_file():
        raise DataError(f"{folder} holds no forecaster: there is no {SETTINGS}; name the folder that 'forecast' wrote")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if not isinstance(record, dict) or "weights" not in record:
        raise DataError(f"{folder} holds no forecaster that can be read: it is of an older version; forecast anew")
    return record


def describe(comparison: Comparison) -> dict[str, Any]:
    """Return what was chosen and found, as plain data from which the forecaster can be built again."""
    table, settings, split = comparison.table, comparison.settings, comparison.settings.split
    columns = Columns.of(table)
    statics = columns.static_covariates.items()
    return {
        "version": __version__,
        "model": settings.model_class,
        "recommended_for": None if settings.recommendation is None else settings.recommendation.because,
        "time": columns.time,
        "targets": columns.targets,
        "past_covariates": columns.past_covariates,
        "future_covariates": columns.future_covariates,
        "static_covariates": {name: _as_plain(name, list(values)) for name, values in statics},
        "country_holidays": columns.country_holidays,
        "frequency": columns.frequency,
        "empty_cells": table.n_empty_cells,
        "missing_rows": table.n_missing_rows,
        "rows": split.n_rows,
        "horizon": settings.horizon,
        "lookback": settings.lookback,
        "season": settings.season,
        "quantiles": settings.quantiles,
        "seed": settings.seed,
        "epochs": settings.epochs,
        "steps_per_epoch": settings.steps_per_epoch,
        "patience": settings.patience,
        "model_arguments": {name: _shown(value) for name, value in settings.model_arguments.items()},
        "arguments": {name: _as_plain(name, value) for name, value in arguments_of(comparison.model).items()},
        "validation_start": str(comparison.validation_start),
        "validation_windows": split.n_validation_windows,
        "test_start": str(comparison.test_start),
        "test_windows": split.n_test_windows,
        "best": comparison.best,
        "ensemble_weights": dict(comparison.weights),
        "interval_width": comparison.width,
        "baselines": {label: asdict(baseline) for label, baseline in comparison.baselines.items()},  # type: ignore[call-overload]
        "seconds": {label: round(seconds, 3) for label, seconds in comparison.scores["seconds"].items()},
        "scaling": comparison.scalers.figures(
            target=len(columns.targets),
            past_covariates=len(columns.past_covariates),
            future_covariates=len(columns.future_covariates),
        ),
    }


def _restored(record: dict[str, Any], weights: Path) -> TableForecaster:
    settings = _settings(record)
    columns = Columns(
        time=record["time"],
        targets=tuple(record["targets"]),
        past_covariates=tuple(record["past_covariates"]),
        future_covariates=tuple(record["future_covariates"]),
        frequency=record["frequency"],
        static_covariates=record["static_covariates"],
        country_holidays=record["country_holidays"],
    )
    model = build(settings, record["arguments"])
    blank = columns.blank(settings.lookback + settings.horizon)
    load_weights(model, weights, blank.target, blank.past_covariates, blank.future_covariates)
    return TableForecaster(
        settings=settings,
        columns=columns,
        scalers=Scalers.of(record["scaling"]),
        model=model,
        baselines={label: _baseline(label, given) for label, given in record["baselines"].items()},
        weights=record["ensemble_weights"],
        width=record["interval_width"],
    )


def _settings(record: dict[str, Any]) -> Settings:
    entry = by_model_name().get(record["model"])
    if entry is None:
        raise DataError(f"unknown model '{record['model']}': it is of a newer version, or of another package")
    return Settings(
        model=entry.name,
        split=Split(record["rows"], record["horizon"], record["validation_windows"], record["test_windows"]),
        quantiles=tuple(record["quantiles"]),
        recommendation=None,
        **{
            name: record[name]
            for name in ("horizon", "lookback", "season", "seed", "epochs", "steps_per_epoch", "patience")
        },
        model_arguments=record["model_arguments"],
    )


def _baseline(label: str, given: dict[str, Any]) -> Baseline:
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    baseline: Baseline = KINDS[label](**arguments)
    return baseline


def _as_plain(name: str, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        raise DataError(
            f"'{name}' is {value!r}, which no file without code can hold: use names and numbers, or keep the model by "
            "comparison.model.save"
        ) from None


def _shown(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if isinstance(value, (str, int, float, bool, list, dict, type(None))) else repr(value)
