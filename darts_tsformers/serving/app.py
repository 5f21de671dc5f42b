"""The routes of a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.serving.limits import Limits
from darts_tsformers.workflow import TableForecaster

if TYPE_CHECKING:
    from fastapi import FastAPI


def make_app(
    forecaster: TableForecaster | TSFormerModel, limits: Limits | None = None, frequency: str | int | None = None
) -> "FastAPI":
    """Return an ASGI application that forecasts, for a server of your own.

    ``POST /predict`` forecasts series, ``POST /actuals`` takes what came and scores the forecasts, ``GET /health`` says
    whether forecasts are made (503 if not), ``GET /info`` what the forecaster needs, and ``GET /metrics`` how it does,
    for Prometheus. ``/docs`` shows all of it.

    Parameters
    ----------
    forecaster
        What :func:`~darts_tsformers.workflow.load` has read, or a fitted model, which forecasts in the units of its
        training.
    limits
        How much it takes at once.
    frequency
        Step of the time axis, for a model: pandas' name for it, or a whole number. Without it, series begin at whole
        numbers.

    Raises
    ------
    ImportError
        If the packages of the server are missing: ``pip install 'darts-tsformers[serve]'``.
    ValueError
        If the model is not fitted, or is one that cannot forecast in one pass.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import ITransformerModel
    >>> from darts_tsformers.serving import make_app
    >>> series = TimeSeries.from_values(np.sin(np.arange(90) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    >>> model = ITransformerModel(24, 6, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet).fit(series, verbose=False)
    >>> app = make_app(model)
    >>> sorted(path for path in app.openapi()["paths"])
    ['/actuals', '/health', '/info', '/metrics', '/predict']
    """
    try:
        from fastapi import FastAPI
        from fastapi.exceptions import RequestValidationError
    except ImportError as error:
        raise ImportError("serving needs fastapi: pip install 'darts-tsformers[serve]'") from error
    from darts_tsformers.serving.body import BodyLimit
    from darts_tsformers.serving.forecasters import ModelServed, TableServed
    from darts_tsformers.serving.refusal import RefusedError
    from darts_tsformers.serving.schema import ActualsResponse, Info, PredictResponse
    from darts_tsformers.serving.service import Service, invalid, refused

    limits = limits or Limits()
    served = TableServed(forecaster) if isinstance(forecaster, TableForecaster) else ModelServed(forecaster, frequency)
    service = Service(served, limits)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.open()
        try:
            yield
        finally:
            await asyncio.to_thread(service.close)

    app = FastAPI(title=f"{served.info.model} of darts_tsformers", version=served.info.version, lifespan=lifespan)
    app.add_middleware(BodyLimit, max_bytes=limits.max_bytes)
    app.middleware("http")(service.watched)
    app.exception_handler(RefusedError)(refused)
    app.exception_handler(RequestValidationError)(invalid)
    app.post("/predict", response_model=PredictResponse)(service.predict)
    app.post("/actuals", response_model=ActualsResponse)(service.actuals)
    app.get("/health")(service.health)
    app.get("/info", response_model=Info)(service.info)
    app.get("/metrics")(service.metrics)
    return app
