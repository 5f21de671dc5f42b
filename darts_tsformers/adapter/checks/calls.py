"""What ``fit``, ``predict`` and backtests are called with, checked before anything else is done with it."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from darts.models.forecasting.torch_forecasting_model import MixedCovariatesTorchModel

from darts_tsformers.adapter.checks.series import check_series
from darts_tsformers.checks import did_you_mean, require_at_least

Method = TypeVar("Method", bound=Callable[..., Any])

LEAST = {
    "epochs": 0,
    "n": 1,
    "num_samples": 1,
    "forecast_horizon": 1,
    "batch_size": 1,
    "roll_size": 1,
    "stride": 1,
    "max_samples_per_ts": 1,
}
"""Integers that a call may have, and the least of each; where None is the default it may be given too."""
SERIES = ("series", "past_covariates", "future_covariates", "sample_weight")
NAMES_OF_WEIGHTS = ("linear", "exponential")


def check_call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Raise ``ValueError`` if an argument is not what the method takes, by its name and the rule.

    Raise ``TypeError`` if the method has no argument of a name.
    """
    signature = inspect.signature(method)
    for name in kwargs:
        if name not in signature.parameters:
            raise TypeError(f"{name} is no argument of {method.__name__}{did_you_mean(name, signature.parameters)}")
    given = signature.bind(*args, **kwargs).arguments
    for name, least in LEAST.items():
        if name in given and not (given[name] is None and signature.parameters[name].default is None):
            require_at_least(least, **{name: given[name]})
    _check_series(given, signature.parameters)


def _check_series(given: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]) -> None:
    for name in (f"{prefix}{each}" for prefix in ("", "val_") for each in SERIES):
        value = given.get(name)
        if isinstance(value, str) and name.endswith("sample_weight"):
            if value not in NAMES_OF_WEIGHTS:
                raise ValueError(f"{name}={value!r} must be one of {list(NAMES_OF_WEIGHTS)}, or series")
        elif value is not None or (name in given and parameters[name].default is parameters[name].empty):
            check_series(name, value)


def _as_declared_by(method: Callable[..., Any]) -> Callable[[Method], Method]:
    """Let a method have the signature of the one it calls, for editors and for whoever inspects it."""

    def declared(own: Method) -> Method:
        own.__wrapped__ = method  # type: ignore[attr-defined]
        return own

    return declared


class CheckedCalls(MixedCovariatesTorchModel):
    """A model that looks at what it is called with first."""

    @_as_declared_by(MixedCovariatesTorchModel.fit)
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train; see Darts' documentation."""
        check_call(MixedCovariatesTorchModel.fit, self, *args, **kwargs)
        return super().fit(*args, **kwargs)

    @_as_declared_by(MixedCovariatesTorchModel.predict)
    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Forecast; see Darts' documentation."""
        check_call(MixedCovariatesTorchModel.predict, self, *args, **kwargs)
        self._require_training()
        return super().predict(*args, **kwargs)

    @_as_declared_by(MixedCovariatesTorchModel.historical_forecasts)
    def historical_forecasts(self, *args: Any, **kwargs: Any) -> Any:
        """Forecast from the points of a series as if what is later were not known; see Darts' documentation."""
        check_call(MixedCovariatesTorchModel.historical_forecasts, self, *args, **kwargs)
        if kwargs.get("retrain", True) is False:
            self._require_training()
        return super().historical_forecasts(*args, **kwargs)

    def _require_training(self) -> None:
        """Raise ``ValueError`` if there is nothing to forecast by."""
        if self._requires_training and not self._fit_called:
            raise ValueError(f"{type(self).__name__} must be fitted before it can forecast: call fit(series) first")
