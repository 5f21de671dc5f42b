"""What a search found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from matplotlib.figure import Figure

from darts_tsformers.tuning.classical import Classical
from darts_tsformers.tuning.picture import draw
from darts_tsformers.workflow.settings import Settings


@dataclass(frozen=True)
class Tuning:
    """What a search found; ``print`` shows the best trials.

    Attributes
    ----------
    model
        The best of all, trained on all rows: a Darts model of this package or, where none beats the classical ones on
        the validation windows, what forecasts by one of those: ``model.predict(n, series)``.
    name
        Its name: that of its class, or ``"NaiveSeasonal"`` or ``"ExponentialSmoothing"``.
    error
        Its error on the validation windows. It is the lowest of many, and so flatters: measure it anew on rows that
        the search was not given.
    metric
        Name of the error.
    trials
        A row for each trial in the order in which they began: ``name``, ``error``, ``state`` (``COMPLETE``, ``PRUNED``
        or ``FAIL``), ``epochs``, ``seconds``, ``why`` it failed, and what was drawn.
    settings
        How the best forecaster of this package is built, whether it beats the classical ones or not.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers.tuning import tune
    >>> series = TimeSeries.from_values(np.sin(np.arange(90) * 2 * np.pi / 7) + np.arange(90) % 5)
    >>> found = tune("itransformer", series, 7, n_trials=1, epochs=1, season=7, verbose=False)
    >>> found.trials["name"].tolist()[:2], found.metric
    (['NaiveSeasonal', 'ExponentialSmoothing'], 'MASE')
    >>> figure = found.plot()
    """

    model: TorchForecastingModel | Classical
    name: str
    error: float
    metric: str
    trials: pd.DataFrame
    settings: Settings = field(repr=False)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Arguments of the class of the best forecaster of this package, beyond its defaults."""
        chunks = {"input_chunk_length": self.settings.lookback, "output_chunk_length": self.settings.horizon}
        return chunks | dict(self.settings.model_arguments)

    def plot(self) -> Figure:
        """Draw the error of each trial, and the lowest so far."""
        return draw(self.trials, self.metric)

    def __str__(self) -> str:
        done = self.trials.dropna(subset="error").sort_values("error", kind="stable")
        states = self.trials["state"].value_counts()
        counts = ", ".join(f"{states[state]} {words}" for state, words in _STATES.items() if state in states)
        table = done[["name", "error", "epochs", "seconds"]].head(_SHOWN).rename(columns={"error": self.metric})
        return "\n".join([f"{self.name} is best of {len(self.trials)} trials: {counts}", "", table.to_string()])


_SHOWN = 10
_STATES = {"COMPLETE": "complete", "PRUNED": "broken off early", "FAIL": "failed"}
