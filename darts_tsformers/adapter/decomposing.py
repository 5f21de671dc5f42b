"""Models whose forecast is a sum of a trend and a seasonal part, and can say which is which."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from darts import TimeSeries

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.likelihoods import level_index
from darts_tsformers.checks import require_at_least
from darts_tsformers.recording import recording

Given: TypeAlias = TimeSeries | Sequence[TimeSeries]


class ForecastParts(NamedTuple):
    """A forecast in two parts that add up to it; for several series, a list of each.

    Attributes
    ----------
    trend
        In the units of the target.
    seasonal
        What comes and goes about the trend.
    """

    trend: TimeSeries | list[TimeSeries]
    seasonal: TimeSeries | list[TimeSeries]


class DecomposingModel(TSFormerModel):
    """A model with a network that records the trend of its forecast."""

    def decompose(
        self,
        n: int | None = None,
        series: Given | None = None,
        past_covariates: Given | None = None,
        future_covariates: Given | None = None,
    ) -> ForecastParts:
        """Forecast, and give the trend and the seasonal part apart.

        With a likelihood these are the parts of its location: the mean of a Gaussian, the median of quantiles.

        Parameters
        ----------
        n
            Steps to forecast, at most ``output_chunk_length``; by default as many.
        series, past_covariates, future_covariates
            As for ``predict``.

        Raises
        ------
        ValueError
            If ``n`` is beyond what is forecast at once, or the likelihood has no location in the units of the target.

        Examples
        --------
        >>> import numpy as np
        >>> from darts import TimeSeries
        >>> from darts_tsformers import AutoformerModel
        >>> steps = np.arange(90, dtype=np.float32)
        >>> series = TimeSeries.from_values(steps + 5 * np.sin(steps))
        >>> model = AutoformerModel(24, 6, d_model=8, n_epochs=1, random_state=0, pl_trainer_kwargs={"logger": False})
        >>> trend, seasonal = model.fit(series, verbose=False).decompose()
        >>> bool(np.allclose((trend + seasonal).values(), model.predict(6, verbose=False).values(), atol=1e-4))
        True
        """
        steps = self.output_chunk_length
        n = steps if n is None else n
        require_at_least(1, n=n)
        if n > steps:
            raise ValueError(f"n={n} must be at most output_chunk_length={steps}: a forecast further on has no parts")
        level = level_index(self.likelihood)
        with recording("trend") as record:
            forecasts = self.predict(
                n,
                series,
                past_covariates=past_covariates,
                future_covariates=future_covariates,
                predict_likelihood_parameters=self.likelihood is not None,
                verbose=False,
            )
        trends = (
            torch.cat([entry.tensors["trend"] for entry in record["trend"]])[:, :n, :, level]
            .to("cpu", torch.float64)
            .numpy()
        )
        of = series if series is not None else self.training_series
        if isinstance(forecasts, TimeSeries):
            return ForecastParts(*_parts(forecasts, of, trends[0], level))
        parts = [_parts(*one, level) for one in zip(forecasts, of, trends, strict=True)]
        return ForecastParts(*(list(each) for each in zip(*parts, strict=True)))


def _parts(forecast: TimeSeries, series: TimeSeries, trend: np.ndarray, level: int) -> tuple[TimeSeries, TimeSeries]:
    n_parameters = forecast.n_components // series.n_components
    whole = forecast.values()[:, level::n_parameters]

    def labelled(values: np.ndarray) -> TimeSeries:
        return TimeSeries(forecast.time_index, values.astype(whole.dtype), components=series.components)

    return labelled(trend), labelled(whole - trend)
