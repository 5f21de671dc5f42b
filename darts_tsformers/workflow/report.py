"""A comparison as files: of one series, or of several."""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path

from darts_tsformers.adapter.files.whole_files import real
from darts_tsformers.adapter.files.whole_folder import replace_files
from darts_tsformers.workflow.comparison import Comparison
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.panel_comparison import PanelComparison
from darts_tsformers.workflow.picture import save_picture
from darts_tsformers.workflow.process import quiet_libraries
from darts_tsformers.workflow.saving import SETTINGS, WEIGHTS, write_forecaster

FILES = ("forecast.csv", "comparison.csv", "forecast.png", SETTINGS, WEIGHTS)
"""What :func:`write_report` writes."""

PANEL_FILES = ("forecast.csv", "comparison.csv", "comparison_by_series.csv")
"""What :func:`write_panel_report` writes."""

_OF_OLDER_VERSIONS = ("model.pt", "model.pt.ckpt")

_MAX_NAME = 255
"""Bytes in the name of a file or folder, on all usual file systems."""

_MAX_PATH = 4000
"""Bytes in a path, of which a system takes 4096, with room for a file in the folder."""


def check_output_folder(
    out_dir: str | PathLike[str], data: str | PathLike[str] | None = None, files: Sequence[str] = FILES
) -> None:
    """Make sure that a report can be written, without leaving anything behind.

    Parameters
    ----------
    out_dir
        Where :func:`write_report` is to write.
    data
        A file that must not be replaced.
    files
        Names of what is to be written.

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
    if data is not None and any(_is_same_file(out / name, data) for name in files):
        raise DataError(f"{data} is one of the files to be written: choose another output folder")
    parent = _existing(out)
    if not parent.is_dir():
        raise DataError(f"{parent} is not a directory: choose another output folder")
    taken = [name for name in files if (out / name).is_dir()]
    if taken:
        raise DataError(f"{out / taken[0]} is a directory where a file is to be written: choose another output folder")
    try:
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            _refuse_fixed_files(out, Path(folder), files)
    except OSError as error:
        raise DataError(f"{parent} is not writable ({error.strerror}): choose another output folder") from None


def _refuse_fixed_files(out: Path, folder: Path, files: Sequence[str]) -> None:
    """Raise a DataError if a file cannot be replaced, as one that is mounted or immutable: it can have no second name.

    Where no file can have one, there is no telling.
    """
    own = folder / "own"
    own.touch()
    with suppress(OSError):
        os.link(own, folder / "second")
        for name in filter(lambda name: os.path.lexists(out / name), files):
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

    ``forecast.csv`` has a row for each step: ``<target>`` is the forecast by the best, ``<target>_q0.1`` one of its
    quantiles, ``<target>_Theta`` a forecast that it is mixed of, if it is. ``comparison.csv`` has the scores.
    ``settings.json`` says what was chosen, and describes the forecaster: its columns, scaling and arguments;
    ``model.safetensors`` holds its weights. :func:`~darts_tsformers.workflow.load` reads both, and forecasts in the
    units of the data. They hold none of the data.

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
        If the folder cannot be written to, or an argument of the model is no plain data, such as a function.

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
    ['forecast.csv', 'comparison.csv', 'forecast.png', 'settings.json', 'model.safetensors']
    >>> pd.read_csv("forecast/forecast.csv").columns.tolist()[:2]
    ['time', 'units']
    """

    def fill(folder: Path) -> None:
        comparison.prediction.to_frame().to_csv(folder / "forecast.csv")
        comparison.scores.drop(columns="seconds").to_csv(folder / "comparison.csv")
        write_forecaster(comparison, folder)
        with quiet_libraries():
            save_picture(comparison, folder / "forecast.png")

    return _write(Path(out_dir), FILES, fill)


def write_panel_report(comparison: PanelComparison, out_dir: str | PathLike[str]) -> list[Path]:
    """Write what :data:`PANEL_FILES` names; either all of it or, on any error, nothing.

    ``forecast.csv`` has a row for each series and step, ``comparison.csv`` the means of the scores over the series, and
    ``comparison_by_series.csv`` the scores of each. The forecaster is not written: keep ``comparison.model``.

    Parameters
    ----------
    comparison
        From :func:`~darts_tsformers.workflow.compare_panel`.
    out_dir
        Made if it is not there; files of these names in it are replaced.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of :data:`PANEL_FILES`.

    Raises
    ------
    DataError
        If the folder cannot be written to.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers.workflow import compare_panel, read_table, write_panel_report
    >>> days = pd.date_range("2024-01-01", periods=60, freq="D")
    >>> shops = [
    ...     pd.DataFrame({"shop": name, "day": days, "units": level + np.arange(60) % 7})
    ...     for name, level in {"north": 10.0, "south": 90.0}.items()
    ... ]
    >>> tables = read_table(pd.concat(shops), target="units", id="shop")
    >>> comparison = compare_panel(tables, horizon=7, model="patchtst", epochs=1, verbose=False)
    >>> [path.name for path in write_panel_report(comparison, "forecast")]
    ['forecast.csv', 'comparison.csv', 'comparison_by_series.csv']
    """

    def fill(folder: Path) -> None:
        comparison.frame().to_csv(folder / "forecast.csv", index=False)
        comparison.scores.drop(columns="seconds").to_csv(folder / "comparison.csv")
        comparison.scores_by_series.to_csv(folder / "comparison_by_series.csv")

    return _write(Path(out_dir), PANEL_FILES, fill)


def _write(out: Path, files: Sequence[str], fill: Callable[[Path], None]) -> list[Path]:
    """Let files be written into a folder of their own, and put them together where they belong."""
    check_output_folder(out, files=files)
    try:
        with tempfile.TemporaryDirectory(
            dir=_place_beside(out), prefix=".forecast-", ignore_cleanup_errors=True
        ) as folder:
            written = Path(folder) / "written"
            written.mkdir()
            fill(written)
            out.parent.mkdir(parents=True, exist_ok=True)
            replace_files(written, out, files)
    except OSError as error:
        raise DataError(f"cannot write to {out}: {error.strerror or error}") from error
    return [out / name for name in files]


def left_over(written: Sequence[Path]) -> list[Path]:
    """Return files of earlier forecasts, by older versions too, that stand beside those just written."""
    known = dict.fromkeys((*FILES, *PANEL_FILES, *_OF_OLDER_VERSIONS))
    beside = [written[0].parent / name for name in known]
    return [path for path in beside if path not in written and path.is_file()]


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
