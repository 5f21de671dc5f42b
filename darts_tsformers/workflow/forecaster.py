"""A trained forecaster with all that it needs to forecast tables: columns, scaling and the models beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeAlias

import pandas as pd
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from darts_tsformers.diagnosis import Diagnosis, diagnose
from darts_tsformers.explain import Explanation
from darts_tsformers.explain import explain as explain_model
from darts_tsformers.workflow.baselines import Baseline, without_gaps
from darts_tsformers.workflow.checks import require_finite, require_history, require_known_future, rows_needed
from darts_tsformers.workflow.columns import Columns
from darts_tsformers.workflow.ensemble import RegressionEnsemble, members_of, used_of
from darts_tsformers.workflow.errors import DataError, as_data_errors
from darts_tsformers.workflow.intervals import around
from darts_tsformers.workflow.names import ENSEMBLE
from darts_tsformers.workflow.prediction import Prediction
from darts_tsformers.workflow.process import few_threads, quiet_libraries
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.scores import score
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.table import Table
from darts_tsformers.workflow.windows import forecast_future, forecast_windows

Data: TypeAlias = Table | TimeSeries | str | PathLike[str]

MOST_WINDOWS = 20
"""Windows of a backtest unless more are asked for."""


@dataclass(frozen=True)
class TableForecaster:
    """What made the forecast of a comparison: takes tables in the units of the data, and forecasts in them.

    :func:`~darts_tsformers.workflow.load` reads one from a folder; a
    :class:`~darts_tsformers.workflow.Comparison` has one as its ``forecaster``.

    Attributes
    ----------
    settings
        How it was built and trained.
    columns
        What a table must have.
    scalers
        From the units of the data to those of ``model``, and back.
    model
        The Darts model. It takes and gives **scaled** values of dtype float32: see :meth:`scaled`.
    baselines
        The simpler models beside it, by name.
    weights
        Weight of each model in the ensemble, on scaled values. Where one has all of it, that model makes the forecast;
        else the ensemble does.
    width
        How much wider than those of ``model`` the intervals around the forecast are.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table, compare, load, write_report
    >>> days = pd.date_range("2024-01-01", periods=90, freq="D", name="day")
    >>> week = np.sin(np.arange(90) * 2 * np.pi / 7) + np.arange(90) % 5
    >>> series = TimeSeries.from_times_and_values(days, week, columns=["units"])
    >>> comparison = compare(Table(series), horizon=7, model="patchtst", epochs=1, verbose=False)
    >>> _ = write_report(comparison, "forecast")
    >>> forecaster = load("forecast")
    >>> bool(np.allclose(forecaster.predict(series).point.values(), comparison.forecast.values(), rtol=1e-6))
    True
    >>> len(forecaster.predict(series[-40:], horizon=2).to_frame())
    2
    """

    settings: Settings
    columns: Columns
    scalers: Scalers
    model: TorchForecastingModel
    baselines: Mapping[str, Baseline]
    weights: Mapping[str, float]
    width: float

    def table(self, data: Data, **reading: Any) -> Table:
        """Return data as a table with the columns of training, in the units of the data.

        Parameters
        ----------
        data
            A table, a series of the targets alone, or the path of a file as
            :func:`~darts_tsformers.workflow.read_table` reads it.
        **reading
            Arguments of ``read_table``, in place of what is known from training: ``time="date"``.

        Raises
        ------
        DataError
            If the file cannot be read, a column is missing, or the time step is not that of training.
        """
        return self.columns.table(data, **reading)

    def scaled(self, table: Table) -> Table:
        """Return a table in the units that ``model`` takes, to explain or diagnose it."""
        return self.scalers.transform(table)

    def predict(self, data: Data, horizon: int | None = None, **reading: Any) -> Prediction:
        """Forecast what comes after the last known target.

        The forecaster is not trained; simpler models that have a weight are fitted to the data, which takes a moment.

        Parameters
        ----------
        data
            A table, a series of the targets alone, or the path of a file: the data of the training, or newer.
        horizon
            Steps to forecast; by default those it was trained for. Beyond them it goes on from its own forecasts, and
            quantiles are counted over sampled paths.
        **reading
            Arguments of ``read_table`` for a file, in place of what is known from training.

        Returns
        -------
        Prediction
            In the units of the data. On the data of the training it is the forecast of the run.

        Raises
        ------
        DataError
            If the data cannot be read or lack a column, have another time step, are too few, or do not reach over the
            horizon where they have to; or the horizon is below 1.
        """
        horizon = self.settings.horizon if horizon is None else horizon
        if horizon < 1:
            raise DataError(f"horizon {horizon} must be at least 1")
        table = self.table(data, **reading)
        self._check(table, horizon)
        with quiet_libraries(), few_threads(table.target.n_components):
            own = forecast_future(self.model, self.scaled(table), self.settings, self.scalers.target, horizon)
            history = without_gaps(table.target)
            made = {
                label: own.point if label == self.settings.model_class else self.baselines[label](history, horizon)
                for label in used_of(self.weights)
            }
        for label, forecast in made.items():
            require_finite(label, [forecast], self.columns.targets)
        point = self._best(made)
        members = {label: made[label] for label in members_of(self.weights)}
        return Prediction(point, around(point, own, self.width), members, table.time_name)

    def backtest(self, data: Data, n_windows: int | None = None, **reading: Any) -> pd.DataFrame:
        """Score the forecaster on windows of one horizon, side by side at the end of the data, as it is now.

        Each window is forecast from the rows before it. Windows that it was trained on flatter it: give newer data, and
        no more windows than are new.

        Parameters
        ----------
        data
            As in :meth:`predict`.
        n_windows
            How many windows; by default as many as there is data for, at most 20.
        **reading
            As in :meth:`predict`.

        Returns
        -------
        pandas.DataFrame
            One row for each model, the forecaster first; columns ``MAE``, ``RMSE`` and ``MASE``.

        Raises
        ------
        DataError
            If the data do not fit, or are too short for the windows.
        """
        table, horizon = self.table(data, **reading), self.settings.horizon
        most = (len(table.target) - self.n_rows_needed) // horizon
        n_windows = min(max(most, 1), MOST_WINDOWS) if n_windows is None else n_windows
        if not 1 <= n_windows <= most:
            needed = self.n_rows_needed + max(n_windows, 1) * horizon
            raise DataError(
                f"{n_windows} windows of {horizon} steps need at least {needed} rows, and at least 1 window is needed: "
                f"there are {len(table.target)} rows"
            )
        rows = range(len(table.target) - n_windows * horizon, len(table.target), horizon)
        with quiet_libraries(), few_threads(table.target.n_components):
            scaled = self.scaled(table)
            own = forecast_windows(self.model, scaled, rows[0], self.settings, self.scalers.target)
            windows = {self.settings.model_class: [forecast.point for forecast in own]}
            for label, baseline in self.baselines.items():
                windows[label] = list(baseline.windows(table.target, rows, horizon))
        windows[ENSEMBLE] = [
            self._combined({label: several[k] for label, several in windows.items()}) for k in range(n_windows)
        ]
        scores = {label: score(several, table.target, self.settings.season) for label, several in windows.items()}
        return pd.DataFrame.from_dict(scores, orient="index").rename_axis("model")

    def explain(self, data: Data, **options: Any) -> Explanation:
        """Say what the model looks at when it forecasts what comes after the data.

        Parameters
        ----------
        data
            As in :meth:`predict`.
        **options
            Arguments of :func:`darts_tsformers.explain.explain`, such as ``kinds``.

        Raises
        ------
        DataError
            If the data do not fit, or the model has nothing to explain.
        """
        table = self.table(data)
        self._check(table, self.settings.horizon)
        with quiet_libraries(), as_data_errors():
            return explain_model(self.model, **_series(self.scaled(table)), **options)

    def diagnose(self, data: Data, n_windows: int = 20) -> Diagnosis:
        """Say how good the model is on the data, and what to try if it is not. Errors are in the units of the data.

        Parameters
        ----------
        data
            As in :meth:`predict`; best newer than the training.
        n_windows
            About how many windows to forecast.

        Raises
        ------
        DataError
            If the data do not fit or are too short.
        """
        table = self.table(data)
        with quiet_libraries(), as_data_errors():
            series = _series(self.scaled(table))
            return diagnose(
                self.model, **series, n_windows=n_windows, unit=self.scalers.target_scale(len(self.columns.targets))
            )

    @property
    def n_rows_needed(self) -> int:
        """Rows that data must have to be forecast."""
        return rows_needed(self.settings.lookback, self.settings.horizon, self.settings.season)

    def _best(self, made: Mapping[str, TimeSeries]) -> TimeSeries:
        return self._combined(made) if len(made) > 1 else next(iter(made.values()))

    def _combined(self, forecasts: Mapping[str, TimeSeries]) -> TimeSeries:
        return RegressionEnsemble(self.scalers.target, self.weights).combine(forecasts)

    def _check(self, table: Table, horizon: int) -> None:
        require_history(table, self.n_rows_needed)
        require_known_future(table, max(horizon, self.settings.horizon))
        if horizon > self.settings.horizon and self.columns.past_covariates:
            raise DataError(
                f"horizon {horizon} must be at most {self.settings.horizon}: past covariates are not known beyond that"
            )


def _series(table: Table) -> dict[str, Any]:
    return {
        "series": table.target,
        "past_covariates": table.past_covariates,
        "future_covariates": table.future_covariates,
    }
