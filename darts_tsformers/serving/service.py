"""What the routes do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count
from time import perf_counter
from typing import Any

import numpy as np
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from darts_tsformers.serving.attending import attention_entropies
from darts_tsformers.serving.batching import Batches
from darts_tsformers.serving.forecasters import Forecaster, Item
from darts_tsformers.serving.limits import Limits
from darts_tsformers.serving.refusal import RefusedError
from darts_tsformers.serving.remembering import Memory
from darts_tsformers.serving.schema import (
    Actual,
    ActualsRequest,
    ActualsResponse,
    Forecast,
    Info,
    PredictRequest,
    PredictResponse,
    Score,
    Series,
)
from darts_tsformers.serving.watching import Watch
from darts_tsformers.workflow import DataError

logger = logging.getLogger(__name__)

ATTENTION_EVERY = 100
"""Of how many batches one is looked into: recording attention takes time."""


class Service:
    """A forecaster, the batches that it forecasts, and what is known of both.

    Parameters
    ----------
    served
        What forecasts.
    limits
        How much at once.
    """

    def __init__(self, served: Forecaster, limits: Limits) -> None:
        self.served, self.limits = served, limits
        self.watch = Watch(served)
        self.memory = Memory(limits.max_remembered)
        self.batches: Batches | None = None
        self._passes = count()

    def open(self) -> None:
        """Begin to forecast."""
        self.batches = Batches(self._forecast_batch, self.limits)

    def close(self) -> None:
        """Forecast what waits, then end."""
        if self.batches is not None:
            self.batches.close()

    def _forecast_batch(self, items: Sequence[Item]) -> np.ndarray:
        """Forecast, and look at the attention of one series in the first of every hundred batches."""
        if next(self._passes) % ATTENTION_EVERY == 0:
            self.watch.attend(attention_entropies(partial(self.served.forecast, items[:1])))
        return self.served.forecast(items)

    async def predict(self, request: PredictRequest) -> PredictResponse:
        """Forecast what comes after some series."""
        horizon = self.served.info.horizon if request.horizon is None else request.horizon
        if horizon > self.served.info.horizon:
            raise RefusedError(("body", "horizon"), f"{horizon} must be at most {self.served.info.horizon}")
        if len(request.series) > self.limits.max_series:
            most = self.limits.max_series
            raise RefusedError(("body", "series"), f"{len(request.series)} series are too many: at most {most} at once")
        items = [self._item(position, series) for position, series in enumerate(request.series)]
        if self.batches is None or not self.batches.is_alive:
            raise RefusedError((), "the forecaster is not loaded", status=503)
        try:
            found = await asyncio.gather(*(asyncio.wrap_future(self.batches.submit(item)) for item in items))
        except DataError as error:
            raise RefusedError(("body", "series"), str(error)) from None
        forecasts = [
            self._forecast(series, item, one[:horizon])
            for series, item, one in zip(request.series, items, found, strict=True)
        ]
        return PredictResponse(model=self.served.info.model, forecasts=forecasts)

    def _item(self, position: int, series: Series) -> Item:
        columns = (series.values, series.past_covariates, series.future_covariates)
        longest = max((len(values) for given in columns for values in given.values()), default=0)
        try:
            if longest > self.limits.max_steps:
                raise RefusedError(("values",), f"{longest} steps are too many: at most {self.limits.max_steps}")
            return self.served.item(series)
        except RefusedError as refusal:
            raise RefusedError(("body", "series", position, *refusal.where), str(refusal), refusal.status) from None

    def _forecast(self, series: Series, item: Item, found: np.ndarray) -> Forecast:
        info = self.served.info
        self.watch.see(item, info.lookback)
        by_target = {name: found[:, k].T.tolist() for k, name in enumerate(info.targets)}
        return Forecast(
            forecast_id=self.memory.add(item, found),
            id=series.id,
            start=self.served.after(item),
            point={name: values[0] for name, values in by_target.items()},
            quantiles={
                str(q): {name: values[1 + k] for name, values in by_target.items()}
                for k, q in enumerate(info.quantiles)
            },
        )

    async def actuals(self, request: ActualsRequest) -> ActualsResponse:
        """Score forecasts by what came; each can be scored once."""
        return ActualsResponse(scores=[self._score(position, one) for position, one in enumerate(request.actuals)])

    def _score(self, position: int, actual: Actual) -> Score:
        where, targets = ("body", "actuals", position), self.served.info.targets
        remembered = self.memory.get(actual.forecast_id)
        if remembered is None:
            message = f"{actual.forecast_id!r} is unknown: it was forgotten, scored before, or never made"
            raise RefusedError((*where, "forecast_id"), message)
        if set(actual.values) != set(targets):
            raise RefusedError((*where, "values"), f"must be of {', '.join(targets)}, not {', '.join(actual.values)}")
        lengths = {len(values) for values in actual.values.values()}
        if len(lengths) > 1 or not 1 <= max(lengths) <= len(remembered.point):
            raise RefusedError((*where, "values"), f"must all have as many steps, 1 to {len(remembered.point)}")
        came = np.array([actual.values[name] for name in targets], dtype=float).T
        self.memory.forget(actual.forecast_id)
        return self.watch.score(actual.forecast_id, remembered, came)

    async def health(self) -> Response:
        """Say whether forecasts are made."""
        is_alive = self.batches is not None and self.batches.is_alive
        return JSONResponse({"status": "ok" if is_alive else "not loaded"}, status_code=200 if is_alive else 503)

    async def info(self) -> Info:
        """Say what is served, and what it needs."""
        return self.served.info

    async def metrics(self) -> Response:
        """Give the figures for Prometheus."""
        return Response(self.watch.text(), media_type="text/plain; version=0.0.4")

    async def watched(self, request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        """Count a request and time it; say of a defect no more than that there is one."""
        begin = perf_counter()
        try:
            response = await answer(request)
        except Exception:
            logger.exception("%s failed", request.url.path)
            response = JSONResponse({"detail": "internal error"}, status_code=500)
        route = request.scope.get("route")
        path = "unknown" if route is None else route.path
        self.watch.requests.labels(path, str(response.status_code)).inc()
        self.watch.latency.labels(path).observe(perf_counter() - begin)
        return response


async def refused(_request: Request, refusal: Exception) -> JSONResponse:
    """Say what is wrong with a request, in the form of FastAPI."""
    assert isinstance(refusal, RefusedError)
    detail = [{"loc": list(refusal.where), "msg": str(refusal), "type": "value_error"}]
    return JSONResponse({"detail": detail}, status_code=refusal.status)


async def invalid(_request: Request, error: Exception) -> JSONResponse:
    """Say which fields are wrong, without sending back what came."""
    assert isinstance(error, RequestValidationError)
    detail: list[dict[str, Any]] = [{key: one[key] for key in ("loc", "msg", "type")} for one in error.errors()[:20]]
    return JSONResponse({"detail": detail}, status_code=422)
