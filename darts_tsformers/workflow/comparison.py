"""What a comparison found."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from darts_tsformers.workflow.baselines import Baseline
from darts_tsformers.workflow.columns import Columns
from darts_tsformers.workflow.forecaster import TableForecaster
from darts_tsformers.workflow.names import ENSEMBLE
from darts_tsformers.workflow.prediction import Prediction
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.table import Table, Time


@dataclass(frozen=True)
class Comparison:
    """A trained forecaster and how it did.

    The model that is scored is the one that is kept and that makes the forecast: it has not seen the rows that stop its
    training and those held back.

    Attributes
    ----------
    table, settings
        What was compared, and how.
    scores
        One row for each model, the forecaster first; columns ``MAE``, ``RMSE``, ``MASE`` (see
        :func:`~darts_tsformers.workflow.scores.score`) and ``seconds``: fitting and forecasting of all windows.
    backtests
        Forecasts of the test windows, by the name of the model, in the units of the data.
    forecasts
        Forecasts of the horizon after the last known target, by the name of the model.
    backtest_quantiles, forecast_quantiles
        The same for each quantile of the forecaster; empty without quantiles.
    weights
        Weight of each model in the ensemble, on scaled values.
    baselines
        The classical models, by name.
    model
        Takes and gives scaled values.
    scalers
        Fitted on the training rows.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table, compare
    >>> days = pd.date_range("2024-01-01", periods=90, freq="D", name="day")
    >>> week = np.sin(np.arange(90) * 2 * np.pi / 7) + np.arange(90) % 5
    >>> table = Table(TimeSeries.from_times_and_values(days, week, columns=["units"]))
    >>> comparison = compare(table, horizon=7, epochs=1, verbose=False)
    >>> comparison.settings.lookback, comparison.settings.season
    (21, 7)
    >>> print(comparison.summary().splitlines()[0])
    2 windows of 7 steps, from 2024-03-17 00:00:00 to 2024-03-30 00:00:00, look-back 21, season 7
    """

    table: Table
    settings: Settings
    scores: pd.DataFrame
    backtests: Mapping[str, list[TimeSeries]]
    forecasts: Mapping[str, TimeSeries]
    backtest_quantiles: Mapping[float, list[TimeSeries]]
    forecast_quantiles: Mapping[float, TimeSeries]
    weights: Mapping[str, float]
    baselines: Mapping[str, Baseline]
    model: TorchForecastingModel
    scalers: Scalers

    @property
    def name(self) -> str:
        """Name of the forecaster in tables."""
        return self.settings.model_class

    @property
    def forecast(self) -> TimeSeries:
        """Point forecast of the forecaster, shape ``(horizon, C)``; the median if there are quantiles."""
        return self.forecasts[self.name]

    @property
    def prediction(self) -> Prediction:
        """The forecast with its quantiles and that of the ensemble."""
        return Prediction(self.forecast, self.forecast_quantiles, self.forecasts[ENSEMBLE], self.table.time_name)

    @property
    def forecaster(self) -> TableForecaster:
        """The forecaster, to forecast newer data with."""
        return TableForecaster(
            settings=self.settings,
            columns=Columns.of(self.table),
            scalers=self.scalers,
            model=self.model,
            baselines=self.baselines,
            weights=self.weights,
        )

    def summary(self) -> str:
        """Say in a few lines how the forecaster did."""
        formats = {"seconds": "{:.1f}".format}
        scores = self.scores.rename_axis(None).to_string(float_format="{:.4g}".format, formatters=formats)
        return f"{self.heading()}\n\n{scores}"

    def heading(self) -> str:
        """Say what was compared, and why this forecaster was chosen."""
        split = self.settings.split
        windows = "1 window" if split.n_test_windows == 1 else f"{split.n_test_windows} windows"
        heading = (
            f"{windows} of {self.settings.horizon} steps, from {self.test_start} to {self.table.target.end_time()}, "
            f"look-back {self.settings.lookback}, season {self.settings.season}"
        )
        return "\n".join([heading, *self._why()])

    def _why(self) -> list[str]:
        recommendation = self.settings.recommendation
        if recommendation is None:
            return []
        return [f"{self.name} was chosen: {recommendation.because}"]

    @property
    def validation_start(self) -> Time:
        """First time that was not trained on."""
        return self.table.target.time_index[self.settings.split.validation_start]

    @property
    def test_start(self) -> Time:
        """First time held back for the scores."""
        return self.table.target.time_index[self.settings.split.test_start]
