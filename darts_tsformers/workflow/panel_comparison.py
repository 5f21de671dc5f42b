"""What a comparison over many series found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from darts_tsformers.workflow.names import NAIVE
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.table import Id, Tables


@dataclass(frozen=True)
class PanelComparison:
    """A forecaster trained on many series, and how it did on each.

    Attributes
    ----------
    tables, settings
        What was compared, and how the forecaster was built; the split in the settings is that of the series of median
        length.
    scores
        One row for each model: the means of its errors over the series, and the seconds it took.
    scores_by_series
        One row for each series and model; errors as in :func:`~darts_tsformers.workflow.scores.score`.
    best
        The model with the lowest mean MASE on the windows before the test.
    forecasts
        Forecasts of the horizon after the last known target: by the name of the model, then by series.
    forecast_quantiles
        The same for each quantile of the forecaster; empty without quantiles.
    model
        Takes and gives scaled values.
    scalers
        For each series, fitted on its training rows.
    untested
        Series too short to hold rows back: they are forecast all the same.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers.workflow import compare_panel, read_table
    >>> days = pd.date_range("2024-01-01", periods=60, freq="D")
    >>> shops = [
    ...     pd.DataFrame({"shop": name, "day": days, "units": level + np.arange(60) % 7})
    ...     for name, level in (("north", 20.0), ("south", 50.0))
    ... ]
    >>> tables = read_table(pd.concat(shops), target="units", id="shop")
    >>> comparison = compare_panel(tables, horizon=7, model="patchtst", epochs=1, verbose=False)
    >>> comparison.forecast["south"].start_time()
    Timestamp('2024-03-01 00:00:00')
    >>> comparison.frame().columns.tolist()
    ['shop', 'day', 'units']
    """

    tables: Tables
    settings: Settings
    scores: pd.DataFrame
    scores_by_series: pd.DataFrame
    best: str
    forecasts: Mapping[str, Mapping[Id, TimeSeries]]
    forecast_quantiles: Mapping[float, Mapping[Id, TimeSeries]]
    model: TorchForecastingModel
    scalers: Mapping[Id, Scalers]
    untested: Sequence[Id]

    @property
    def forecast(self) -> Mapping[Id, TimeSeries]:
        """Forecast of each series by the best model."""
        return self.forecasts[self.best]

    def frame(self) -> pd.DataFrame:
        """Return the forecasts of the best model as a long table, with its quantiles where it has some."""
        is_ours = self.best == self.settings.model_class
        quantiles = self.forecast_quantiles if is_ours else {}
        return pd.concat([self._rows(key, quantiles) for key in self.tables], ignore_index=True)

    def _rows(self, key: Id, quantiles: Mapping[float, Mapping[Id, TimeSeries]]) -> pd.DataFrame:
        forecast = self.forecast[key]
        ids = zip(self.tables.id_names, [key] if isinstance(key, str) else key, strict=True)
        columns: dict[str, Any] = {**dict(ids), self.tables[key].time_name: forecast.time_index}
        for k, name in enumerate(forecast.components):
            columns[name] = forecast.values(copy=False)[:, k]
            columns |= {f"{name}_q{q!r}": series[key].values(copy=False)[:, k] for q, series in quantiles.items()}
        return pd.DataFrame(columns)

    def summary(self) -> str:
        """Say in a few lines which model to use, and by how much, and show how all of them did."""
        formats = {"seconds": "{:.1f}".format}
        scores = self.scores.rename_axis(None).to_string(float_format="{:.4g}".format, formatters=formats)
        return "\n".join([self.heading(), "", scores])

    def heading(self) -> str:
        """Say in a few lines which model to use, and by how much."""
        n = len(self.tables) - len(self.untested)
        mase, naive = (float(self.scores["MASE"][name]) for name in (self.best, NAIVE))
        less = f", {1 - mase / naive:.0%} below {NAIVE}" if mase < naive else ""
        verdict = f"Use {self.best}: MASE {mase:.3g} over {n} series{less}."
        short = "1 series is" if len(self.untested) == 1 else f"{len(self.untested)} series are"
        also = short.split()[-1]
        left = [f"{short} too short to be tested, but {also} forecast."] if self.untested else []
        return "\n".join([verdict, *left])
