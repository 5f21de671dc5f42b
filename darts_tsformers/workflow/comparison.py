"""What a comparison found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from matplotlib.axes import Axes

from darts_tsformers.checks import require_one_of
from darts_tsformers.explain.pictures.canvas import axes_or_new
from darts_tsformers.workflow.baselines import Baseline
from darts_tsformers.workflow.columns import Columns
from darts_tsformers.workflow.drawing import draw_target
from darts_tsformers.workflow.ensemble import best_of, members_of
from darts_tsformers.workflow.forecaster import TableForecaster
from darts_tsformers.workflow.names import NAIVE
from darts_tsformers.workflow.prediction import Prediction
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.table import Table, Time


@dataclass(frozen=True)
class Comparison:
    """The best forecast, and how it and the others did.

    All scores are of models that never saw the rows they are scored on. For the forecast of what comes next the
    forecaster is trained again on all rows, unless ``refit`` was false; the others are fitted to all rows as well.

    Attributes
    ----------
    table, settings
        What was compared, and how.
    scores
        One row for each model, the trained forecaster first; columns ``MAE``, ``RMSE``, ``MASE`` (see
        :func:`~darts_tsformers.workflow.scores.score`) and ``seconds``: fitting and forecasting of all windows.
    backtests
        Forecasts of the test windows, by the name of the model, in the units of the data.
    forecasts
        Forecasts of the horizon after the last known target, by the name of the model.
    backtest_quantiles, forecast_quantiles
        The same for each quantile, by the best; empty without quantiles. They are those of the forecaster, moved to
        the best forecast.
    weights
        Weight of each model in the ensemble, on scaled values.
    width
        How much wider than those of the forecaster its intervals are around the best forecast.
    baselines
        The simpler models, by name.
    model
        The forecaster. Takes and gives scaled values.
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
    >>> print(comparison.summary().splitlines()[1])
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
    width: float
    baselines: Mapping[str, Baseline]
    model: TorchForecastingModel
    scalers: Scalers

    @property
    def name(self) -> str:
        """Name of the forecaster in tables."""
        return self.settings.model_class

    @property
    def best(self) -> str:
        """Name of what to use: one model, or the ensemble. The test has no say in it."""
        return best_of(self.weights)

    @property
    def forecast(self) -> TimeSeries:
        """Point forecast by the best, shape ``(horizon, C)``."""
        return self.forecasts[self.best]

    @property
    def prediction(self) -> Prediction:
        """The forecast with its quantiles, and what it is mixed of."""
        members = {label: self.forecasts[label] for label in members_of(self.weights)}
        return Prediction(self.forecast, self.forecast_quantiles, members, self.table.time_name)

    @property
    def forecaster(self) -> TableForecaster:
        """What made the forecast, to forecast newer data with."""
        return TableForecaster(
            settings=self.settings,
            columns=Columns.of(self.table),
            scalers=self.scalers,
            model=self.model,
            baselines=self.baselines,
            weights=self.weights,
            width=self.width,
        )

    def plot(self, ax: Axes | None = None, *, target: str | None = None, legend: bool = True) -> Axes:
        """Draw the end of a series, the forecasts of the windows held back, and the forecast.

        Parameters
        ----------
        ax
            Where to draw; a new figure of pyplot by default.
        target
            Which column; the first by default.
        legend
            Whether to say what the lines are.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn on.

        Raises
        ------
        ValueError
            If there is no such target.
        """
        names = [str(name) for name in self.table.target.components]
        name = names[0] if target is None else target
        require_one_of(names, target=name)
        ax = axes_or_new(ax, 10, 4)
        draw_target(
            ax,
            self.table.target[name],
            [window[name] for window in self.backtests[self.best]],
            {q: [window[name] for window in windows] for q, windows in self.backtest_quantiles.items()},
            self.forecast[name],
            {q: series[name] for q, series in self.forecast_quantiles.items()},
        )
        if legend:
            ax.legend(loc="best", frameon=False)
        return ax

    def summary(self) -> str:
        """Say in one sentence what to use and how good it is, and show how all of them did."""
        formats = {"seconds": "{:.1f}".format}
        scores = self.scores.rename_axis(None).to_string(float_format="{:.4g}".format, formatters=formats)
        return f"{self.heading()}\n\n{scores}"

    def verdict(self) -> str:
        """Say in one sentence what to use, and how it did on the test beside the seasonal naive."""
        shares = [f"{100 * self.weights[label]:.0f} % {label}" for label in members_of(self.weights)]
        use = f"a mix of {_listed(shares)}" if shares else self.best
        return f"Use {use}: {self._how_good()} on rows held back."

    def _how_good(self) -> str:
        measure = "MAE" if self.scores["MASE"].isna().any() else "MASE"
        found, naive = (float(self.scores[measure][label]) for label in (self.best, NAIVE))
        said = f"{measure} {found:.3g}"
        if self.best == NAIVE or naive == 0:
            return said
        change = round(100 * (found / naive - 1))
        beside = "as good as" if change == 0 else f"{abs(change)} % {'below' if change < 0 else 'above'}"
        return f"{said}, {beside} the seasonal naive,"

    def heading(self) -> str:
        """Say what to use, what was compared, and why this forecaster was chosen."""
        split = self.settings.split
        windows = "1 window" if split.n_test_windows == 1 else f"{split.n_test_windows} windows"
        heading = (
            f"{windows} of {self.settings.horizon} steps, from {self.test_start} to {self.table.target.end_time()}, "
            f"look-back {self.settings.lookback}, season {self.settings.season}"
        )
        return "\n".join([self.verdict(), heading, *self._why()])

    def _why(self) -> list[str]:
        recommendation = self.settings.recommendation
        if recommendation is None:
            return []
        return [f"{self.name} was chosen as the forecaster: {recommendation.because}"]

    @property
    def validation_start(self) -> Time:
        """First time that training before the test left out."""
        return self.table.target.time_index[self.settings.split.validation_start]

    @property
    def test_start(self) -> Time:
        """First time held back for the scores."""
        return self.table.target.time_index[self.settings.split.test_start]


def _listed(words: Sequence[str]) -> str:
    """Join words as in a sentence: one, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
