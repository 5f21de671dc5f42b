"""What a server takes and gives, as ``/openapi.json`` says it."""

from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Value: TypeAlias = Annotated[float, Field(allow_inf_nan=False)] | None
Columns: TypeAlias = dict[str, list[Value]]
Time: TypeAlias = int | datetime


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Series(_Strict):
    """A series up to now, and what is known of it."""

    id: str | None = Field(None, max_length=200, description="Comes back with the forecast.")
    start: Time = Field(0, description="Time of the first values: a date, or a whole number.")
    values: Columns = Field(description="Values of each target, by its name; null where nothing was observed.")
    past_covariates: Columns = Field({}, description="From `start` as well.")
    future_covariates: Columns = Field({}, description="From `start` as well, and on over the horizon.")


class PredictRequest(_Strict):
    """Series to forecast."""

    series: list[Series] = Field(min_length=1)
    horizon: int | None = Field(None, ge=1, description="Steps; by default, and at most, those of the training.")


class Forecast(_Strict):
    """What comes after a series."""

    forecast_id: str = Field(description="To hand in with what came: see `/actuals`.")
    id: str | None
    start: Time = Field(description="Time of the first forecast.")
    point: dict[str, list[float]] = Field(description="The forecast of each target; the median if there are quantiles.")
    quantiles: dict[str, dict[str, list[float]]] = Field(description="By quantile, then by target.")


class PredictResponse(_Strict):
    """Forecasts, in the order of the series."""

    model: str
    forecasts: list[Forecast]


class Actual(_Strict):
    """What came where there was a forecast."""

    forecast_id: str
    values: Columns = Field(description="Values of each target from the first forecast on; as many as there are.")


class ActualsRequest(_Strict):
    """What came."""

    actuals: list[Actual] = Field(min_length=1)


class Score(_Strict):
    """How a forecast did."""

    forecast_id: str
    absolute_error: float | None = Field(description="Mean over what came; null if nothing did.")
    naive_absolute_error: float | None = Field(description="That of the last value before the forecast.")
    coverage: float | None = Field(description="Share between the outermost quantiles; null without quantiles.")


class ActualsResponse(_Strict):
    """Scores, in the order of what came."""

    scores: list[Score]


class Info(_Strict):
    """What is served."""

    model: str
    version: str
    lookback: int
    shortest: int = Field(description="Fewest steps of a series.")
    horizon: int
    frequency: str | int | None
    targets: list[str]
    past_covariates: list[str]
    future_covariates: list[str]
    quantiles: list[float]
