"""A fitted model that follows one series, row by row."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeAlias, cast

import numpy as np
import pandas as pd
import torch
from darts import TimeSeries
from darts.utils.data.torch_datasets.utils import TorchInferenceSample
from darts.utils.timeseries_generation import _build_forecast_series_from_schema
from torch import Tensor

from darts_tsformers.adapter.checks.names import check_rows
from darts_tsformers.adapter.checks.series import given_or_kept
from darts_tsformers.adapter.forecasting.alone import forecasting
from darts_tsformers.adapter.forecasting.evaluation import in_evaluation
from darts_tsformers.adapter.likelihoods import expected_value, in_order
from darts_tsformers.adapter.streams.rows import CovariateRows, as_rows
from darts_tsformers.adapter.streams.start import first_window
from darts_tsformers.adapter.training.finite import require_finite_stream, weights_blamed
from darts_tsformers.adapter.transfers.transfer import require_forecasts
from darts_tsformers.catalogue import by_model_name
from darts_tsformers.networks._states import tiled
from darts_tsformers.networks._streaming import StreamingNetwork, streams, why_not
from darts_tsformers.networks._streaming_forecaster import Followed, StreamingForecaster
from darts_tsformers.window import Window

Rows: TypeAlias = TimeSeries | np.ndarray | Sequence[Any] | float


class StreamingModel:
    """A model that can follow a series."""

    def stream(
        self,
        series: TimeSeries | None = None,
        past_covariates: TimeSeries | None = None,
        future_covariates: TimeSeries | None = None,
    ) -> "Stream":
        """Follow a series: forecast from it, take in what is observed next, forecast again.

        Each new row takes time and memory that do not grow with the rows before, or with their logarithm. What a
        forecast equals, and which models stream, is in :class:`~darts_tsformers.adapter.streams.stream.Stream`.

        Parameters
        ----------
        series
            One series with at least ``min_input_chunk_length`` steps. By default the one the model was trained on, with
            its covariates.
        past_covariates, future_covariates
            What goes with it, from its start on; as far ahead as they are known.

        Raises
        ------
        ValueError
            If the model is not fitted or cannot stream, or the series is not one that ``predict`` would take.
        """
        return Stream(self, series, past_covariates, future_covariates)


class Stream:
    """A series that a model follows, as :meth:`TSFormerModel.stream` returns it.

    A forecast equals ``model.predict(n, longer_series)`` as long as the rows since the beginning, which is at most
    ``input_chunk_length`` before the end of the series given first, fit into ``input_chunk_length``. After that a
    recurrent network goes on and remembers more than ``predict`` is shown, and one with a table of positions begins
    anew on its recent rows. The model is only read: many streams can share one.

    Attributes
    ----------
    end_time
        Time of the last row.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import LogSparseTransformerModel
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> model = LogSparseTransformerModel(
    ...     48, 12, positions="history", use_instance_norm="running", min_input_chunk_length=8, d_model=16, n_epochs=1,
    ...     random_state=0, pl_trainer_kwargs={"enable_progress_bar": False},
    ... ).fit(series[:150], verbose=False)
    >>> stream = model.stream(series[150:160])
    >>> forecast = stream.update(series[160:165]).forecast()
    >>> len(forecast), forecast.start_time()
    (12, 165)
    >>> np.allclose(forecast.values(), model.predict(12, series[150:165], verbose=False).values(), atol=1e-5)
    True
    """

    def __init__(
        self,
        model: Any,
        series: TimeSeries | None = None,
        past_covariates: TimeSeries | None = None,
        future_covariates: TimeSeries | None = None,
    ) -> None:
        _require_streaming(model)
        if series is None:
            past_covariates = model.past_covariate_series if past_covariates is None else past_covariates
            future_covariates = model.future_covariate_series if future_covariates is None else future_covariates
        series = given_or_kept(model, series)
        if not isinstance(series, TimeSeries):
            raise ValueError(f"series must be one series, not {len(series)}: follow each by a stream of its own")
        self._model = model
        self._module = model.model
        self._likelihood = model.likelihood
        self._forecaster = cast(StreamingForecaster, self._module.forecaster)
        sample, self._past, self._future = first_window(model, series, past_covariates, future_covariates)
        self._schema: dict[str, Any] = sample.series_schema
        self._freq = series.freq
        self._width = series.n_components
        self._components = list(series.components)
        self.end_time: pd.Timestamp | int = series.end_time()
        with self._reading():
            self._followed = self._forecaster.begin(self._window(sample))

    def update(self, values: Rows, past_covariates: Rows | None = None, future_covariates: Rows | None = None) -> Self:
        """Take in one or several new rows; NaN is what was not observed.

        Parameters
        ----------
        values
            The rows that follow on the last one: an array ``(n, C)``, for one row ``(C,)`` and for one component
            ``(n,)``, or a series that begins at the next step.
        past_covariates, future_covariates
            Those of the new rows, where they were not given before, and as many further ones as are known. An array
            follows on the last one given; a series may begin earlier, and is taken from there on for what is to come.

        Returns
        -------
        Stream
            This one, so that calls can be chained.

        Raises
        ------
        ValueError
            If the rows do not follow on, are of another width or infinite, or covariates of them are missing, or are
            none of the model. Nothing has been taken in then.
        """
        check_rows("values", values, self._components)
        rows = as_rows("values", values, self._width, self._next_time, self._freq)
        past, future = self._past.extended(past_covariates), self._future.extended(future_covariates)
        for covariates in (past, future):
            covariates.require(len(rows))
        self._past, self._future = past, future
        with self._reading():
            for row in rows.astype(self._dtype):
                window = Window(self._tensor(row[None]), self._next(self._past), self._next(self._future))
                self._followed = self._forecaster.advance(self._followed, window)
        self.end_time += len(rows) * self._freq
        return self

    def forecast(
        self, n: int | None = None, *, num_samples: int = 1, predict_likelihood_parameters: bool = False
    ) -> TimeSeries:
        """Forecast from what was seen so far, as ``predict`` does.

        Parameters
        ----------
        n
            Steps to forecast; ``output_chunk_length`` by default. More are rolled out, as by ``predict``.
        num_samples
            Samples to draw, with a likelihood.
        predict_likelihood_parameters
            Whether to return the parameters of the likelihood, for up to ``output_chunk_length`` steps.

        Raises
        ------
        ValueError
            If covariates that the forecast needs were not given, or are NaN; or ``n`` or ``num_samples`` are not what
            ``predict`` would take.
        LostForecastError
            If the forecast is NaN or infinite.
        """
        n = self._model.output_chunk_length if n is None else n
        self._check_forecast(n, num_samples, predict_likelihood_parameters)
        future = self._known_ahead(n)
        start = self._next_time + self._model.output_chunk_shift * self._freq
        with self._reading(), weights_blamed(self._module, "the stream", start):
            known = None if future is None else future.expand(num_samples, -1, -1)
            reads_on = num_samples > 1 or n > self._model.output_chunk_length
            followed = tiled(self._followed, num_samples) if reads_on else self._followed
            paths = self._paths(n, followed, known, parameters=predict_likelihood_parameters)
        require_finite_stream(self._module, paths, start)
        return _build_forecast_series_from_schema(
            paths.permute(1, 2, 0).to(torch.promote_types(paths.dtype, torch.float32)).cpu().numpy(),
            self._schema,
            start,
            predict_likelihood_parameters,
            self._likelihood.component_names if predict_likelihood_parameters else None,
        )

    def _paths(self, n: int, followed: Followed, future: Tensor | None, *, parameters: bool) -> Tensor:
        """Forecast ``n`` steps of each sample, ``(B, n, C)``, or parameters, in chunks of which the last ends there."""
        horizon, done = self._model.output_chunk_length, 0
        chunks = [self._chunk(followed, future, 0, parameters=parameters)]
        while done + horizon < n:
            step = min(horizon, n - horizon - done)
            chunks[-1] = chunks[-1][:, :step]
            past = self._past.ahead(done, done + step)
            for i in range(step):
                observed = None if past is None else self._tensor(past[i : i + 1]).expand(len(chunks[-1]), -1, -1)
                known = None if future is None else future[:, done + i : done + i + 1]
                followed = self._forecaster.advance(followed, Window(chunks[-1][:, i : i + 1], observed, known))
            done += step
            chunks.append(self._chunk(followed, future, done, parameters=parameters))
        return torch.cat(chunks, dim=1)[:, :n]

    def _chunk(self, followed: Followed, future: Tensor | None, first: int, *, parameters: bool) -> Tensor:
        """Forecast one output chunk, ``(B, H, C)``, or its parameters."""
        drawn: list[Tensor] = []
        samples = self._likelihood is not None and not parameters

        def feed(raw: Tensor) -> Tensor:
            raw = in_order(self._likelihood, raw)
            drawn.append(self._likelihood.sample(raw) if samples else expected_value(self._likelihood, raw))
            return drawn[-1]

        known = None if future is None else future[:, first : first + self._model.output_chunk_length]
        raw = in_order(self._likelihood, self._forecaster.ahead(followed, known, feed))
        if samples:
            return torch.cat(drawn, dim=1) if drawn else self._likelihood.sample(raw)
        return cast(Tensor, self._likelihood.predict_likelihood_parameters(raw)) if parameters else raw[..., 0]

    def _known_ahead(self, n: int) -> Tensor | None:
        """Return the future covariates of the steps to forecast."""
        first, horizon = self._model.output_chunk_shift, self._model.output_chunk_length
        known = self._future.ahead(first, first + max(n, horizon))
        if known is None:
            return None
        self._future.require_observed(known[:n], first)
        return self._tensor(known)

    def _check_forecast(self, n: int, num_samples: int, parameters: bool) -> None:
        horizon = self._model.output_chunk_length
        for name, value in {"n": n, "num_samples": num_samples}.items():
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        if n > horizon and (self._model.output_chunk_shift > 0 or parameters):
            why = "predict_likelihood_parameters=True" if parameters else "output_chunk_shift > 0"
            raise ValueError(f"n={n} must be at most output_chunk_length={horizon} with {why}")
        if self._likelihood is None and (num_samples > 1 or parameters):
            raise ValueError("num_samples and predict_likelihood_parameters need a model with a likelihood")
        if parameters and num_samples > 1:
            raise ValueError(f"num_samples={num_samples} must be 1 with predict_likelihood_parameters=True")

    @property
    def _next_time(self) -> pd.Timestamp | int:
        return self.end_time + self._freq

    @property
    def _dtype(self) -> type[np.floating[Any]]:
        return np.float64 if self._module.dtype == torch.float64 else np.float32

    def _tensor(self, rows: np.ndarray) -> Tensor:
        return torch.tensor(rows, dtype=self._module.dtype, device=self._module.device)[None]

    def _next(self, covariates: CovariateRows) -> Tensor | None:
        row = covariates.take()
        return None if row is None else self._tensor(row)

    def _window(self, sample: TorchInferenceSample) -> Window:
        parts = (
            sample.past_target,
            sample.past_covariates,
            sample.historic_future_covariates,
            None,
            sample.static_covariates,
        )
        target, *others = (None if part is None else self._tensor(part) for part in parts)
        return Window(cast(Tensor, target), *others)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Leave no trace of the forecast in the model."""
        with forecasting(self._model), in_evaluation(self._module), torch.inference_mode():
            yield


def _require_streaming(model: Any) -> None:
    """Raise ``ValueError`` unless the model is fitted, and its network and its normalisation can be followed."""
    name = type(model).__name__
    if model.model is None or not model._fit_called:
        raise ValueError(f"{name} must be fitted, or loaded with its weights, before stream")
    require_forecasts(model)
    network, params = model.model.forecaster.network, model.model_params
    if not streams(network):
        models = ", ".join(streaming_models())
        raise ValueError(f"{name} cannot stream as it is: {why_not(network)}. Models that can: {models}")
    for norm, others in {"use_instance_norm": "'running' or False", "use_reversible_instance_norm": "False"}.items():
        if params.get(norm) not in (None, False, "running"):
            raise ValueError(
                f"{norm}={params[norm]!r} normalises by the whole window, which each new row would change; to stream, "
                f"train with {norm}={others}"
            )


def streaming_models() -> list[str]:
    """Return the names of the models that stream, or can be made to."""
    entries = by_model_name().items()
    return [name for name, entry in entries if issubclass(entry.load().network_class, StreamingNetwork)]
