"""Train one forecaster, test it on the end of the series beside simpler ones, and forecast by what is best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import pandas as pd
from darts import TimeSeries
from tqdm.auto import tqdm

from darts_tsformers.workflow.baselines import Baseline, without_gaps
from darts_tsformers.workflow.beside import baselines_of
from darts_tsformers.workflow.checks import check_before_training, require_finite
from darts_tsformers.workflow.comparison import Comparison
from darts_tsformers.workflow.ensemble import RegressionEnsemble, best_of
from darts_tsformers.workflow.intervals import around, fitted_width
from darts_tsformers.workflow.lookbacks import choose_lookback, lookbacks
from darts_tsformers.workflow.names import ENSEMBLE, MIXED
from darts_tsformers.workflow.process import few_threads, quiet_libraries
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.scores import score
from darts_tsformers.workflow.settings import AUTO, choose_settings
from darts_tsformers.workflow.table import Table
from darts_tsformers.workflow.training import train, train_again
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
    calendar: bool = False,
    refit: bool = True,
    verbose: bool = True,
) -> Comparison:
    """Train a forecaster, compare it with simpler models on the end of the series, and forecast by what is best.

    All models forecast the same windows of one horizon, side by side at the end of the series. The forecaster,
    ``DLinearModel`` and ``NLinearModel`` are trained once, before them; ``Naive``, ``NaiveSeasonal``,
    ``ExponentialSmoothing`` and ``Theta`` are refitted at the start of each. ``RegressionEnsemble`` mixes the
    forecaster, ``ExponentialSmoothing``, ``Theta`` and ``NLinearModel``. Its weights, and with them the choice of the
    best, come from the windows before the test: where these are few, all weigh about alike. The test windows are for
    the scores alone.

    Parameters
    ----------
    table
        From :func:`~darts_tsformers.workflow.reading.read_table`, or made of series of your own.
    horizon
        Steps to forecast.
    model
        Name of a forecaster, such as ``"patchtst"``; by default the one that did best in benchmarks on series like
        these.
    lookback
        Steps the forecaster sees. By default one is chosen to fit the series, and compared with half of it and a
        quarter: that with the lowest validation loss stays.
    epochs
        Most epochs to train; chosen to fit the series by default.
    season
        Steps in a seasonal period, 1 for none; by default that which the frequency suggests.
    quantiles
        Quantiles to forecast beside the median, such as ``(0.1, 0.5, 0.9)``.
    seed
        The same seed on the same machine gives the same result.
    model_arguments
        Further arguments of the model's class, such as ``{"d_model": 64}``.
    calendar
        Whether the forecaster sees where a step stands in the day, the week and the year, as far as the steps and the
        length of the series tell them apart. It helps where the date matters beyond the season of the series: daily
        data of several years.
    refit
        Whether the forecaster is trained again on all rows, for as many epochs as were best, before it forecasts what
        comes next. Without, the model that was scored is kept, which never saw the last rows.
    verbose
        Whether to show progress bars on stderr.

    Returns
    -------
    Comparison
        The best forecast, scores, and the trained model.

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
    >>> comparison.scores.index.tolist()[:5]
    ['PatchTSTModel', 'Naive', 'NaiveSeasonal', 'ExponentialSmoothing', 'Theta']
    >>> comparison.forecast.start_time()
    Timestamp('2024-03-31 00:00:00')
    """
    choose = partial(
        choose_settings,
        table.target,
        horizon,
        model,
        future_covariates=table.future_covariates,
        season=season,
        epochs=epochs,
        quantiles=quantiles,
        seed=seed,
        model_arguments=model_arguments,
        calendar=calendar,
    )
    settings = choose(lookback=lookback)
    check_before_training(table, settings)
    target, split = table.target, settings.split
    rows = [*split.ensemble_windows, *split.test_windows]
    n_learn = len(split.ensemble_windows)

    with quiet_libraries(), few_threads(target.n_components):
        scalers = Scalers.fit(table, split.validation_start)
        scaled = scalers.transform(table)
        start = perf_counter()
        if lookback is None:
            settings = choose_lookback(scaled, [choose(lookback=one) for one in lookbacks(settings)], verbose=verbose)
        trained = train(scaled, settings, verbose=verbose)
        past = forecast_windows(trained.model, scaled, rows[0], settings, scalers.target)
        kept = train_again(scaled, settings, trained.epochs, verbose=verbose) if refit else trained.model
        future = forecast_future(kept, scaled, settings, scalers.target)
        seconds = perf_counter() - start

        results = {settings.model_class: _Result([forecast.point for forecast in past], future.point, seconds)}
        for label, baseline in baselines_of(settings, without_gaps(target[: rows[0]])).items():
            results[label] = _run(label, baseline, target, rows, horizon, verbose)
        for label, result in results.items():
            require_finite(label, [*result.windows, result.future], target.components)
        for forecast in (*past, future):
            require_finite(settings.model_class, forecast.quantiles.values(), target.components)
        ensemble = RegressionEnsemble(scalers.target)
        members = {label: results[label] for label in (settings.model_class, *MIXED)}
        results[ENSEMBLE] = _run_ensemble(ensemble, members, target, n_learn)

    best = results[best_of(ensemble.weights)]
    width = fitted_width(best.windows[:n_learn], past[:n_learn], target)
    intervals = [around(*pair, width) for pair in zip(best.windows[n_learn:], past[n_learn:], strict=True)]
    backtests = {label: result.windows[n_learn:] for label, result in results.items()}
    scores = {
        label: score(windows, target, settings.season) | {"seconds": results[label].seconds}
        for label, windows in backtests.items()
    }
    return Comparison(
        table=table,
        settings=settings,
        scores=pd.DataFrame.from_dict(scores, orient="index").rename_axis("model"),
        backtests=backtests,
        forecasts={label: result.future for label, result in results.items()},
        backtest_quantiles={q: [window[q] for window in intervals] for q in settings.quantiles},
        forecast_quantiles=around(best.future, future, width),
        weights=ensemble.weights,
        width=width,
        baselines={label: one.baseline for label, one in results.items() if one.baseline is not None},
        model=kept,
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
    label: str, baseline: Baseline, target: TimeSeries, rows: Sequence[int], horizon: int, verbose: bool
) -> _Result:
    start = perf_counter()
    forecasts = baseline.windows(target, rows, horizon)
    windows = list(tqdm(forecasts, desc=label, total=len(rows), unit="window", leave=False, disable=not verbose))
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
