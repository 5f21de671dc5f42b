"""The adapter: any Darts model of this package as an sktime forecaster."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import pandas as pd
from darts import TimeSeries
from sktime.datatypes import update_data
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

from darts_tsformers.checks import require_at_least
from darts_tsformers.models import TSFormerModel
from darts_tsformers.sktime._build import build, is_probabilistic, learnt_quantiles, trainer_arguments
from darts_tsformers.sktime._checks import (
    check_columns,
    check_learnt,
    check_long_enough_to_forecast,
    check_long_enough_to_train,
)
from darts_tsformers.sktime._exogenous import columns_of, known_covariates, observed_covariates
from darts_tsformers.sktime._horizon import steps_ahead, whole_chunks
from darts_tsformers.sktime._learning import checked_pretraining, learnt
from darts_tsformers.sktime._panel import Instance, common_frequency, in_enough_precision, instances, join
from darts_tsformers.sktime._time_axis import Frequency, with_frequency
from darts_tsformers.sktime._trained import TrainedModel

TEST_SIZES: dict[str, Any] = {
    "input_chunk_length": 4,
    "output_chunk_length": 3,
    "num_samples": 7,
    "batch_size": 64,
    "n_epochs": 1,
    "model_kwargs": {"pl_trainer_kwargs": {"accelerator": "cpu"}},
}
TABLES = ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"]
Forecast: TypeAlias = Callable[[int, list[TimeSeries], list[TimeSeries] | None], list[np.ndarray]]


class TSFormerForecaster(BaseForecaster):
    """What all sktime forecasters share.

    The forecaster of a Darts model adds :attr:`model_class`, that model, and its arguments.

    Parameters
    ----------
    quantiles
        Quantiles to learn, symmetric about 0.5 and including it: what ``predict_quantiles`` and ``predict_interval``
        are read off, within the outermost; ``predict`` gives the median. None for a point forecast by ``loss_fn`` (the
        mean squared error) or for a ``likelihood`` of Darts, either in ``model_kwargs``. A model that draws paths
        learns none and gives any.
    num_samples
        Paths drawn for quantiles that the network does not give itself: further ahead than ``output_chunk_length``, of
        another likelihood, or of a network that feeds on its own forecast or draws paths.
    pretraining
        How ``pretrain`` lets it learn before it forecasts: the arguments of :func:`darts_tsformers.pretrain`, such as
        ``{"objective": "masked", "mask_ratio": 0.4}``, and ``"transfer"``, ``"full"`` by default, how ``fit`` trains it
        on from there. None to have ``pretrain`` train it to forecast.
    model_kwargs
        Further arguments of the Darts model, such as ``{"optimizer_kwargs": {"lr": 1e-3}}``.

    Attributes
    ----------
    model_
        The trained model; ``model_.darts`` is the Darts model, for ``explain`` and ``diagnose``.
    pretrained_
        The same, if ``pretrain`` has been called; ``fit`` then keeps its weights, or by ``pretraining`` begins with
        them.
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "darts_tsformers developers",
        "maintainers": "darts_tsformers developers",
        "python_version": ">=3.11",
        "python_dependencies": ["darts>=0.48,<0.49", "torch"],
        "y_inner_mtype": TABLES,
        "X_inner_mtype": TABLES,
        "requires-fh-in-fit": False,
        "X-y-must-have-same-index": False,
        "property:randomness": "derandomized",
        "capability:random_state": True,
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:categorical_in_X": False,
        "capability:non_contiguous_X": False,
        "capability:missing_values": True,
        "capability:unequal_length": True,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "capability:pretrain": True,
    }
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}  # the forecaster keeps the data it needs itself

    model_class: ClassVar[type[TSFormerModel]]

    def __init__(
        self,
        *,
        quantiles: Sequence[float] | None = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95),
        num_samples: int = 200,
        batch_size: int = 32,
        n_epochs: int = 100,
        random_state: int | None = None,
        pretraining: dict[str, Any] | None = None,
        model_kwargs: dict[str, Any] | None = None,
        **of_the_model: Any,
    ) -> None:
        self.quantiles = quantiles
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.random_state = random_state
        self.pretraining = pretraining
        self.model_kwargs = model_kwargs
        for name, value in of_the_model.items():
            setattr(self, name, value)
        self._y = self._X = None  # where sktime keeps the data if told to by the configuration
        super().__init__()

    def __post_init__(self) -> None:
        self.set_tags(**{"capability:pred_int": is_probabilistic(self.model_class, self.quantiles, self.model_kwargs)})

    def _set_cutoff_from_y(self, y: pd.DataFrame) -> None:
        """Note where y ends, and how far apart its steps are, which a panel of time stamps does not tell sktime."""
        super()._set_cutoff_from_y(y)
        self._cutoff = with_frequency(self._cutoff, self._freq if self.is_fitted else common_frequency(y))

    def _fit(self, y: pd.DataFrame, X: pd.DataFrame | None, fh: ForecastingHorizon | None) -> Self:
        self._cur_y, self._cur_X, self._freq = y, X, common_frequency(y)
        self._learn()
        return self

    def _update(self, y: pd.DataFrame, X: pd.DataFrame | None = None, update_params: bool = True) -> Self:
        self._cur_y, self._cur_X = update_data(self._cur_y, y), update_data(self._cur_X, X)
        if update_params:
            self._learn()
        return self

    def _learn(self) -> None:
        """Train on all the data there is, from scratch; keep to the weights of ``pretrain`` if they can forecast."""
        start = getattr(self, "pretrained_", None)
        if start is None or start.darts.objective is not None:
            self.model_ = self._trained(self._cur_y, self._cur_X, self._freq, start)
        else:
            check_columns(columns_of(self._cur_X), start.exogenous)
            self.model_ = start

    def _pretrain(self, y: pd.DataFrame, X: pd.DataFrame | None = None, fh: ForecastingHorizon | None = None) -> Self:
        self.pretrained_ = self._trained(y, X, common_frequency(y), forecasts=False)
        return self

    def _pretrain_update(
        self, y: pd.DataFrame, X: pd.DataFrame | None = None, fh: ForecastingHorizon | None = None
    ) -> Self:
        start = getattr(self, "pretrained_", None)
        self.pretrained_ = self._trained(y, X, common_frequency(y), start, forecasts=False)
        return self

    def _trained(
        self,
        y: pd.DataFrame,
        X: pd.DataFrame | None,
        freq: Frequency,
        start: TrainedModel | None = None,
        *,
        forecasts: bool = True,
    ) -> TrainedModel:
        arguments = self.get_params(deep=False)
        require_at_least(1, num_samples=arguments.pop("num_samples"))
        pretraining = checked_pretraining(arguments.pop("pretraining"))
        arguments["quantiles"] = learnt_quantiles(self.model_class, self.quantiles)
        model = build(self.model_class, **arguments)
        series = instances(y, freq)
        check_long_enough_to_train(series, model)
        exogenous = columns_of(X)
        if start is not None:
            check_columns(exogenous, start.exogenous)
            exogenous = start.exogenous
        targets, covariates = in_enough_precision(
            [one.target() for one in series], observed_covariates(X, exogenous, series)
        )
        model = learnt(model, targets, covariates, start, pretraining, forecasts=forecasts)
        return TrainedModel(model, exogenous, trainer_arguments(self.model_kwargs))

    def _predict(self, fh: ForecastingHorizon, X: pd.DataFrame | None = None) -> pd.DataFrame:
        columns = self._cur_y.columns
        if not self.get_tag("capability:pred_int"):
            return self._forecast(fh, X, columns, self.model_.point)
        return self._forecast(fh, X, columns, self._quantiles([0.5]))

    def _predict_quantiles(
        self, fh: ForecastingHorizon, X: pd.DataFrame | None, alpha: Sequence[float]
    ) -> pd.DataFrame:
        check_learnt(alpha, learnt_quantiles(self.model_class, self.quantiles))
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        return self._forecast(fh, X, columns, self._quantiles(alpha))

    def _quantiles(self, levels: Sequence[float]) -> Forecast:
        return partial(self.model_.quantiles, levels=levels, num_samples=self.num_samples)

    def _forecast(
        self, fh: ForecastingHorizon, X: pd.DataFrame | None, columns: pd.Index, forecast: Forecast
    ) -> pd.DataFrame:
        model, y = self.model_.darts, self._seen()
        series = instances(y, self._freq)
        check_long_enough_to_forecast(series, model)
        steps = [steps_ahead(fh, one) for one in series]
        n = whole_chunks(steps, model)
        covariates = self._covariates(X, series, steps, n)
        values = forecast(n, [one.target() for one in series], covariates)
        parts = {}
        for one, ahead, of_one in zip(series, steps, values, strict=True):
            stamps = one.axis.labels(one.length - 1 + ahead)
            parts[one.key] = pd.DataFrame(of_one[ahead - 1].reshape(len(ahead), -1).astype(float), stamps, columns)
        return join(parts, y.index.names)

    def _seen(self) -> pd.DataFrame:
        """Return what is known of y at the cutoff, which ``update_predict`` moves back."""
        return self._cur_y if self._cur_y.index.nlevels > 1 else self._cur_y.loc[: self.cutoff[0]]

    def _covariates(
        self, X: pd.DataFrame | None, series: list[Instance], steps: list[np.ndarray], n: int
    ) -> list[TimeSeries] | None:
        known = update_data(self._cur_X, X)
        trained = self.model_.exogenous
        check_columns(columns_of(known), trained)
        if not trained:
            return None
        return known_covariates(known, trained, series, [int(ahead.max()) for ahead in steps], n)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return arguments for tests: of a point forecast, and of quantiles.

        Parameters
        ----------
        parameter_set
            Not used: there is one set of arguments for all tests.
        """
        tiny = TEST_SIZES | cls.model_class.tiny
        return [tiny | {"quantiles": None}, tiny | {"quantiles": (0.05, 0.25, 0.5, 0.75, 0.95)}]
