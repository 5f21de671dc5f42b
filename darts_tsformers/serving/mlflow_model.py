"""A forecaster as a model of MLflow, which takes a data frame and gives one."""

import os
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from darts_tsformers.workflow import DataError, TableForecaster, load, read_table

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
"""Else MLflow reports its use over the network."""


def save_mlflow(folder: str | PathLike[str], path: str | PathLike[str]) -> Path:
    """Write a forecaster as a model of MLflow, of the flavour ``python_function``.

    ``mlflow models serve``, ``mlflow.pyfunc.load_model`` and all else that takes such a model forecasts with it: it is
    given the rows up to now, with the columns of the training, and gives the rows of ``forecast.csv``. There is no
    pickle in it.

    Parameters
    ----------
    folder
        What ``darts-tsformers forecast`` has written, or :func:`~darts_tsformers.workflow.write_report`.
    path
        Folder to write; must not be there yet.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ImportError
        If MLflow is missing: ``pip install 'darts-tsformers[mlflow]'``.
    DataError
        If there is no forecaster in ``folder``, or something at ``path``.

    Examples
    --------
    >>> from darts_tsformers.serving.mlflow_model import save_mlflow
    >>> save_mlflow("forecast", "mlflow_model")  # doctest: +SKIP
    >>> try:
    ...     save_mlflow("absent", "mlflow_model")
    ... except ValueError as error:
    ...     print(str(error).partition(":")[0])
    absent holds no forecaster
    """
    load(folder)
    path = Path(path)
    if path.exists():
        raise DataError(f"{path} exists: choose another folder, or delete it")
    try:
        import mlflow.pyfunc
    except ImportError as error:
        raise ImportError("save_mlflow needs MLflow: pip install 'darts-tsformers[mlflow]'") from error
    mlflow.pyfunc.save_model(
        path=str(path),
        loader_module=__name__,
        data_path=str(folder),
        pip_requirements=["darts-tsformers[mlflow]"],
    )
    return path


def _load_pyfunc(data_path: str) -> "TablePredictor":
    """Load what :func:`save_mlflow` has written: MLflow calls this."""
    return TablePredictor(load(data_path))


class TablePredictor:
    """What MLflow asks for forecasts.

    Parameters
    ----------
    forecaster
        Forecasts.
    """

    def __init__(self, forecaster: TableForecaster) -> None:
        self.forecaster = forecaster

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Forecast what comes after some rows; ``params`` may hold a ``horizon``."""
        columns = self.forecaster.columns
        table = read_table(
            data,
            time=columns.time,
            freq=str(columns.frequency),
            target=list(columns.targets),
            past_covariates=list(columns.past_covariates),
            future_covariates=list(columns.future_covariates),
        )
        horizon = (params or {}).get("horizon")
        return self.forecaster.predict(table, horizon).to_frame().reset_index()
