"""What a server says of itself, in the form of Prometheus."""

from collections.abc import Sequence

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, Summary, generate_latest

from darts_tsformers.serving.forecasters import Forecaster, Item
from darts_tsformers.serving.remembering import Remembered
from darts_tsformers.serving.schema import Score

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Watch:
    """Counts and figures of one server.

    Parameters
    ----------
    forecaster
        Whose training the data are compared with.
    """

    def __init__(self, forecaster: Forecaster) -> None:
        self._targets, self._levels = forecaster.info.targets, forecaster.levels
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests by path and status.", "path", "status")
        self.latency = Histogram(
            "darts_tsformers_latency_seconds",
            "From request to answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._series = self._counter("series", "Series that were forecast.")
        self._missing = self._summary("input_missing_share", "Share of the look-back without a value.")
        self._level = self._summary("input_level_shift", "Mean of the look-back from that of training, in deviations.")
        self._spread = self._summary("input_spread_ratio", "Deviation of the look-back over that of training.")
        self._error = self._summary("absolute_error", "Absolute error of forecasts, by step that came.")
        self._naive = self._summary("naive_absolute_error", "The same of the last value before the forecast.")
        self._covered = self._summary("interval_coverage", "1 where what came was between the outermost quantiles.")
        self._entropy = Summary(
            "darts_tsformers_attention_entropy",
            "Of the attention, over the largest it could have; one forecast in a hundred.",
            ["layer"],
            registry=self.registry,
        )

    def _counter(self, name: str, said: str, *labels: str) -> Counter:
        return Counter(f"darts_tsformers_{name}", said, labels, registry=self.registry)

    def _summary(self, name: str, said: str) -> Summary:
        return Summary(f"darts_tsformers_{name}", said, ["target"], registry=self.registry)

    def see(self, item: Item, lookback: int) -> None:
        """Compare what is to be forecast with the training."""
        self._series.inc()
        window = item.target[-lookback:]
        missing = np.isnan(window)
        for k, name in enumerate(self._targets):
            self._missing.labels(name).observe(missing[:, k].mean())
            observed = window[~missing[:, k], k]
            if self._levels is not None and len(observed):
                mean, deviation = self._levels[:, k]
                self._level.labels(name).observe(abs(observed.mean() - mean) / deviation)
                self._spread.labels(name).observe(observed.std() / deviation)

    def attend(self, entropies: Sequence[float]) -> None:
        """Note how evenly each layer attended."""
        for k, entropy in enumerate(entropies):
            self._entropy.labels(str(k + 1)).observe(entropy)

    def score(self, forecast_id: str, remembered: Remembered, came: np.ndarray) -> Score:
        """Compare a forecast with what came, shape ``(steps, C)``."""
        point, low, high = (one[: len(came)] for one in (remembered.point, remembered.low, remembered.high))
        error, naive = np.abs(came - point), np.abs(came - remembered.last)
        inside = ((low <= came) & (came <= high)).astype(float)
        inside[np.isnan(came)] = np.nan
        for k, name in enumerate(self._targets):
            for figure, values in ((self._error, error), (self._naive, naive), (self._covered, inside)):
                for value in values[~np.isnan(values[:, k]), k]:
                    if figure is not self._covered or remembered.has_interval:
                        figure.labels(name).observe(value)
        return Score(
            forecast_id=forecast_id,
            absolute_error=_mean(error),
            naive_absolute_error=_mean(naive),
            coverage=_mean(inside) if remembered.has_interval else None,
        )

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)


def _mean(values: np.ndarray) -> float | None:
    observed = values[~np.isnan(values)]
    return float(observed.mean()) if len(observed) else None
