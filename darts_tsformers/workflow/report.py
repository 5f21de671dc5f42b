"""A comparison as files."""

import json
import math
import os
import tempfile
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler

from darts_tsformers.adapter.whole_files import real
from darts_tsformers.adapter.whole_folder import replace_files
from darts_tsformers.workflow.comparison import ENSEMBLE, Comparison, forecast_labels
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.picture import save_picture
from darts_tsformers.workflow.process import quiet_libraries

FILES = ("forecast.csv", "comparison.csv", "forecast.png", "settings.json", "model.pt", "model.pt.ckpt")
"""What :func:`write_report` writes."""

_MAX_NAME = 255
"""Bytes in the name of a file or folder, on all usual file systems."""

_MAX_PATH = 4000
"""Bytes in a path, of which a system takes 4096, with room for a file in the folder."""


def check_output_folder(out_dir: str | PathLike[str], data: str | PathLike[str] | None = None) -> None:
    """Make sure that a report can be written, without leaving anything behind.

    Parameters
    ----------
    out_dir
        Where :func:`write_report` is to write.
    data
        A file that must not be replaced.

    Raises
    ------
    DataError
        If the path is empty, too long or a file, a folder or the data stands where a file should go, or nothing can be
        written there.

    Examples
    --------
    >>> from pathlib import Path
    >>> from darts_tsformers.workflow import DataError, check_output_folder
    >>> check_output_folder("forecast", data="sales.csv")
    >>> Path("forecast").exists()  # it is not made yet
    False
    >>> _ = Path("notes").write_text("taken")
    >>> try:
    ...     check_output_folder("notes")
    ... except DataError as error:
    ...     print(str(error).rpartition("/")[-1])
    notes is not a directory: choose another output folder
    """
    out = Path(out_dir)
    if not os.fspath(out_dir):
        raise DataError("the output folder '' has no name: choose another one, such as 'forecast'")
    if "\0" in os.fspath(out_dir):
        raise DataError(f"the output folder '{out}' has a NUL byte in its name: choose another output folder")
    if len(os.fsencode(out.absolute())) > _MAX_PATH or any(len(os.fsencode(part)) > _MAX_NAME for part in out.parts):
        raise DataError(f"the output folder '{out}' has too long a name: choose another output folder")
    if data is not None and any(_is_same_file(out / name, data) for name in FILES):
        raise DataError(f"{data} is one of the files to be written: choose another output folder")
    parent = _existing(out)
    if not parent.is_dir():
        raise DataError(f"{parent} is not a directory: choose another output folder")
    taken = [name for name in FILES if (out / name).is_dir()]
    if taken:
        raise DataError(f"{out / taken[0]} is a directory where a file is to be written: choose another output folder")
    try:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            _refuse_fixed_files(out, Path(folder))
    except OSError as error:
        raise DataError(f"{parent} is not writable ({error.strerror}): choose another output folder") from None


def _refuse_fixed_files(out: Path, folder: Path) -> None:
    """Raise a DataError if a file cannot be replaced, as one that is mounted or immutable: it can have no second name.

    Where no file can have one, there is no telling.
    """
    own = folder / "own"
    own.touch()
    with suppress(OSError):
        os.link(own, folder / "second")
        for name in filter(lambda name: os.path.lexists(out / name), FILES):
            try:
                os.link(out / name, folder / name, follow_symlinks=False)
            except OSError as error:
                raise DataError(
                    f"{out / name} cannot be replaced ({error.strerror}): choose another output folder"
                ) from None


def write_report(comparison: Comparison, out_dir: str | PathLike[str]) -> list[Path]:
    """Write what :data:`FILES` names; either all of it or, on any error, nothing.

    A folder that is new, or has none but these files, is put there by one rename, so that not even a kill leaves files
    of two forecasts beside each other.

    ``forecast.csv`` has a row for each step: ``<target>`` is the forecast of the model, ``<target>_q0.1`` one of its
    quantiles, ``<target>_ensemble`` the forecast of the regression ensemble. ``comparison.csv`` has the scores.
    ``settings.json`` has what was chosen, the seconds taken, and mean and scale of what the model takes and gives.
    ``model.pt`` and ``model.pt.ckpt`` are read together by the model's class, ``PatchTSTModel.load("model.pt")``; they
    hold no data, so ``predict`` needs a scaled ``series``, of dtype float32.

    Parameters
    ----------
    comparison
        From :func:`~darts_tsformers.workflow.compare.compare`.
    out_dir
        Made if it is not there; files of these names in it are replaced.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of :data:`FILES`.

    Raises
    ------
    DataError
        If the folder cannot be written to.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table, compare, write_report
    >>> days = pd.date_range("2024-01-01", periods=90, freq="D", name="day")
    >>> week = np.sin(np.arange(90) * 2 * np.pi / 7) + np.arange(90) % 5
    >>> table = Table(TimeSeries.from_times_and_values(days, week, columns=["units"]))
    >>> comparison = compare(table, horizon=7, epochs=1, verbose=False)
    >>> [path.name for path in write_report(comparison, "forecast")]
    ['forecast.csv', 'comparison.csv', 'forecast.png', 'settings.json', 'model.pt', 'model.pt.ckpt']
    >>> pd.read_csv("forecast/forecast.csv").columns.tolist()
    ['time', 'units', 'units_ensemble']
    """
    check_output_folder(out_dir)
    out = Path(out_dir)
    try:
        with tempfile.TemporaryDirectory(
            dir=_place_beside(out), prefix=".forecast-", ignore_cleanup_errors=True
        ) as folder:
            written = Path(folder) / "written"
            written.mkdir()
            forecast_frame(comparison).to_csv(written / "forecast.csv")
            comparison.scores.drop(columns="seconds").to_csv(written / "comparison.csv")
            settings = json.dumps(_settings(comparison), indent=2, allow_nan=False)
            (written / "settings.json").write_text(settings + "\n", encoding="utf-8")
            with quiet_libraries():
                save_picture(comparison, written / "forecast.png")
                comparison.model.save(str(written / "model.pt"), clean=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            replace_files(written, out, FILES)
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error.strerror or error}") from error
    return [out / name for name in FILES]


def _place_beside(out: Path) -> Path:
    """Return a folder from which one rename leads to the output folder: the one above, if it can be written to.

    A folder that is mounted, as in a container, or in one that belongs to somebody else, has to do by itself.
    """
    parent = _existing(real(out).parent)
    if not out.exists():
        return parent
    try:
        with tempfile.TemporaryDirectory(dir=parent) as above, tempfile.TemporaryDirectory(dir=out) as inside:
            os.rename(above, Path(inside) / "moved")
            os.mkdir(above)
        return parent
    except OSError:
        return out


def forecast_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the forecast as a table, one row a step, columns as in ``forecast.csv``."""
    ensemble = comparison.forecasts[ENSEMBLE]
    columns: dict[str, TimeSeries] = {}
    for name in comparison.forecast.components:
        labels = forecast_labels(name, list(comparison.forecast_quantiles))
        forecasts = [comparison.forecast, *comparison.forecast_quantiles.values(), ensemble]
        columns |= {label: forecast[name] for label, forecast in zip(labels, forecasts, strict=True)}
    values = {label: series.values(copy=False).ravel() for label, series in columns.items()}
    index = comparison.forecast.time_index.rename(comparison.table.time_name)
    return pd.DataFrame(values, index=index)


def _settings(comparison: Comparison) -> dict[str, Any]:
    table, settings, split = comparison.table, comparison.settings, comparison.settings.split
    freq = table.target.freq
    return {
        "model": settings.model_class,
        "recommended_for": None if settings.recommendation is None else settings.recommendation.because,
        "targets": _components(table.target),
        "past_covariates": _components(table.past_covariates),
        "future_covariates": _components(table.future_covariates),
        "frequency": freq if isinstance(freq, int) else table.target.freq_str,
        "empty_cells": table.n_empty_cells,
        "missing_rows": table.n_missing_rows,
        "horizon": settings.horizon,
        "lookback": settings.lookback,
        "season": settings.season,
        "quantiles": list(settings.quantiles),
        "seed": settings.seed,
        "epochs": settings.epochs,
        "steps_per_epoch": settings.steps_per_epoch,
        "patience": settings.patience,
        "model_arguments": {name: _plain(value) for name, value in settings.model_arguments.items()},
        "validation_start": str(comparison.validation_start),
        "test_start": str(comparison.test_start),
        "test_windows": split.n_test_windows,
        "ensemble_weights": dict(comparison.weights),
        "seconds": {label: round(seconds, 3) for label, seconds in comparison.scores["seconds"].items()},
        "scaling": {
            "target": _scaling(comparison.scalers.target, table.target),
            "past_covariates": _scaling(comparison.scalers.past_covariates, table.past_covariates),
            "future_covariates": _scaling(comparison.scalers.future_covariates, table.future_covariates),
        },
    }


def _scaling(scaler: Scaler | None, series: TimeSeries | None) -> dict[str, list[float]] | None:
    """Read off what a scaler does: zero becomes the mean, one the mean and the scale."""
    if scaler is None or series is None:
        return None
    units = TimeSeries.from_values(np.repeat([[0.0], [1.0]], series.n_components, axis=1))
    mean, mean_and_scale = scaler.inverse_transform(units).values()
    return {"mean": mean.tolist(), "scale": (mean_and_scale - mean).tolist()}


def _components(series: TimeSeries | None) -> list[str]:
    return [] if series is None else list(series.components)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if isinstance(value, (str, int, float, bool, list, dict, type(None))) else repr(value)


def _is_same_file(path: Path, data: str | PathLike[str]) -> bool:
    try:
        return path.samefile(data)
    except OSError:
        return False


def _existing(path: Path) -> Path:
    """Return the path, or the nearest one above it where there is something, if only a broken link."""
    path = path.absolute()
    while not os.path.lexists(path):
        path = path.parent
    return path
