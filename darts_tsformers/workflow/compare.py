"""Train one forecaster, test it on the end of the series beside classical ones, and forecast what comes next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import pandas as pd
from darts import TimeSeries
from tqdm.auto import tqdm

from darts_tsformers.workflow.baselines import Baseline, SeasonalNaive, Smoothing, without_gaps
from darts_tsformers.workflow.checks import check_before_training, require_finite
from darts_tsformers.workflow.comparison import Comparison
from darts_tsformers.workflow.ensemble import RegressionEnsemble
from darts_tsformers.workflow.names import ENSEMBLE, NAIVE, SMOOTHING
from darts_tsformers.workflow.process import few_threads, quiet_libraries
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.scores import score
from darts_tsformers.workflow.settings import AUTO, choose_settings
from darts_tsformers.workflow.table import Table
from darts_tsformers.workflow.training import train
from darts_tsformers.workflow.windows import forecast_future, forecast_windows


def compare(
    table: Table,
    horizon: int,
    model: str = AUTO,
    *,
    lookback: int | None = None,
    season: int | None = None,
    epochs: int | None = None,
    quantiles: Sequence[float] | None = None,
    seed: int = 0,
    model_arguments: Mapping[str, Any] | None = None,
    verbose: bool = True,
) -> Comparison:
    """Train a forecaster, score it beside classical ones on the end of the series, and forecast.

    All models forecast the same windows of one horizon, side by side at the end of the series. The forecaster is
    trained once, before them; ``NaiveSeasonal`` and ``ExponentialSmoothing`` are refitted at the start of each;
    ``RegressionEnsemble`` combines the three by weights learnt on the windows before the test.

    Parameters
    ----------
    table
        From :func:`~darts_tsformers.workflow.reading.read_table`, or made of series of your own.
    horizon
        Steps to forecast.
    model
        ``"patchtst"``, ``"itransformer"``, ``"informer"``, ``"log_sparse"``, ``"autoformer"``, ``"fedformer"`` or
        ``"tft"``; by default the one that did best in benchmarks on series like these.
    lookback, epochs
        Steps the forecaster sees, and most epochs to train; chosen to fit the series by default.
    season
        Steps in a seasonal period, 1 for none; by default that which the frequency suggests.
    quantiles
        Quantiles to forecast beside the median, such as ``(0.1, 0.5, 0.9)``.
    seed
        The same seed on the same machine gives the same result.
    model_arguments
        Further arguments of the model's class, such as ``{"d_model": 64}``.
    verbose
        Whether to show progress bars on stderr.

    Returns
    -------
    Comparison
        Scores, forecasts and the trained model.

    Raises
    ------
    DataError
        If an argument is out of range; a series is too short, constant, or without values to train on; a future
        covariate is not known over the horizon; names of columns collide; or a forecast is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table, compare
    >>> days = pd.date_range("2024-01-01", periods=90, freq="D", name="day")
    >>> week = np.sin(np.arange(90) * 2 * np.pi / 7) + np.arange(90) % 5
    >>> table = Table(TimeSeries.from_times_and_values(days, week, columns=["units"]))
    >>> comparison = compare(table, horizon=7, model="patchtst", epochs=1, verbose=False)
    >>> list(comparison.scores.index)
    ['PatchTSTModel', 'NaiveSeasonal', 'ExponentialSmoothing', 'RegressionEnsemble']
    >>> comparison.forecast.start_time()
    Timestamp('2024-03-31 00:00:00')
    """
    settings = choose_settings(
        table.target,
        horizon,
        model,
        future_covariates=table.future_covariates,
        lookback=lookback,
        season=season,
        epochs=epochs,
        quantiles=quantiles,
        seed=seed,
        model_arguments=model_arguments,
    )
    check_before_training(table, settings)
    target, split = table.target, settings.split
    rows = [*split.ensemble_windows, *split.test_windows]
    n_learn = len(split.ensemble_windows)

    with quiet_libraries(), few_threads(target.n_components):
        scalers = Scalers.fit(table, split.validation_start)
        scaled = scalers.transform(table)
        start = perf_counter()
        fitted = train(scaled, settings, verbose=verbose)
        past = forecast_windows(fitted, scaled, rows[0], settings, scalers.target)
        future = forecast_future(fitted, scaled, settings, scalers.target)
        seconds = perf_counter() - start

        season, before = settings.season, target[: rows[0]]
        results = {
            settings.model_class: _Result([forecast.point for forecast in past], future.point, seconds),
            NAIVE: _run(NAIVE, lambda: SeasonalNaive(season), target, rows, horizon, verbose),
            SMOOTHING: _run(
                SMOOTHING, lambda: Smoothing.choose(season, without_gaps(before)), target, rows, horizon, verbose
            ),
        }
        for label, result in results.items():
            require_finite(label, [*result.windows, result.future], target.components)
        for forecast in (*past, future):
            require_finite(settings.model_class, forecast.quantiles.values(), target.components)
        ensemble = RegressionEnsemble(scalers.target)
        results[ENSEMBLE] = _run_ensemble(ensemble, results, target, n_learn)

    backtests = {label: result.windows[n_learn:] for label, result in results.items()}
    scores = {
        label: score(windows, target, season) | {"seconds": results[label].seconds}
        for label, windows in backtests.items()
    }
    return Comparison(
        table=table,
        settings=settings,
        scores=pd.DataFrame.from_dict(scores, orient="index").rename_axis("model"),
        backtests=backtests,
        forecasts={label: result.future for label, result in results.items()},
        backtest_quantiles={q: [forecast.quantiles[q] for forecast in past[n_learn:]] for q in settings.quantiles},
        forecast_quantiles=future.quantiles,
        weights=ensemble.weights,
        baselines={label: one.baseline for label, one in results.items() if one.baseline is not None},
        model=fitted,
        scalers=scalers,
    )


@dataclass(frozen=True)
class _Result:
    """Forecasts of one model: of each window, and of what comes after the end."""

    windows: list[TimeSeries]
    future: TimeSeries
    seconds: float
    baseline: Baseline | None = None


def _run(
    label: str,
    make: Callable[[], Baseline],
    target: TimeSeries,
    rows: Sequence[int],
    horizon: int,
    verbose: bool,
) -> _Result:
    start = perf_counter()
    baseline = make()
    bar = tqdm(rows, desc=label, unit="window", leave=False, disable=not verbose)
    windows = [baseline(without_gaps(target[:row]), horizon) for row in bar]
    return _Result(windows, baseline(without_gaps(target), horizon), perf_counter() - start, baseline)


def _run_ensemble(
    ensemble: RegressionEnsemble, members: Mapping[str, _Result], target: TimeSeries, n_learn: int
) -> _Result:
    start = perf_counter()
    ensemble.fit({label: member.windows[:n_learn] for label, member in members.items()}, target)
    n_windows = len(next(iter(members.values())).windows)
    windows = [ensemble.combine({label: m.windows[k] for label, m in members.items()}) for k in range(n_windows)]
    future = ensemble.combine({label: member.future for label, member in members.items()})
    own = perf_counter() - start
    return _Result(windows, future, own + sum(member.seconds for member in members.values()))
