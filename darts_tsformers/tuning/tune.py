"""Search for the best forecaster of a series."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pandas as pd
from darts import TimeSeries
from tqdm.auto import tqdm

from darts_tsformers.adapter.search_space import Space
from darts_tsformers.tuning import fitting
from darts_tsformers.tuning.candidates import MODEL, Candidates, drawn_by
from darts_tsformers.tuning.classical import NAMES, Classical
from darts_tsformers.tuning.given import check, check_space, listed_series, names_of, one_for_each
from darts_tsformers.tuning.result import Tuning
from darts_tsformers.tuning.search import EPOCHS, NAME, SECONDS, WHY, Limits, search, settings_of
from darts_tsformers.tuning.study import opened
from darts_tsformers.tuning.task import Metric, Task, usual_season
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.process import few_threads, quiet_libraries

if TYPE_CHECKING:
    import optuna


def tune(
    model_class: type | str | Sequence[type | str],
    series: TimeSeries | Sequence[TimeSeries],
    horizon: int,
    *,
    past_covariates: TimeSeries | Sequence[TimeSeries] | None = None,
    future_covariates: TimeSeries | Sequence[TimeSeries] | None = None,
    budget_seconds: float = 600.0,
    n_trials: int | None = None,
    epochs: int | None = None,
    metric: Metric = "MASE",
    space: Space | None = None,
    season: int | None = None,
    quantiles: Sequence[float] = (),
    study: str | PathLike[str] | None = None,
    seed: int = 0,
    verbose: bool = True,
    **arguments: Any,
) -> Tuning:
    """Search for the arguments with which a forecaster does best on the end of a series, and train it with them.

    The last fifth of the series is held out for validation: at most ten windows of one horizon or, of several series,
    three of each. They stop the training of each trial, and choose the best. Among the trials are always two classical
    forecasters, the first choice of :func:`~darts_tsformers.recommend`, and each model with the arguments it would have
    without tuning; all others are drawn by Optuna, and broken off early (successive halving) where others did better.
    The best is trained anew on all rows.

    Keep the last part of the data back, and measure the result on it once: the error of the best of many trials
    flatters.

    Parameters
    ----------
    model_class
        A class of this package or its name, such as ``"patchtst"``; several of them; or ``"auto"`` for what
        :func:`~darts_tsformers.recommend` puts first.
    series
        What is to be forecast; several series are forecast by one model. Single precision (float32) trains faster.
    horizon
        Steps to forecast, at least 1.
    past_covariates, future_covariates
        One for each series, as for ``fit``.
    budget_seconds
        When to end the search; the training of the best comes on top. The trial that runs when time is up ends with
        what it has learnt, and counts. The classical forecasters and one other are tried in any case.
    n_trials
        Most trials of forecasters, those of an earlier search in the same ``study`` included; None for any number.
    epochs
        Most epochs of a trial; by default what :func:`~darts_tsformers.workflow.compare` would take.
    metric
        What is to be low: ``"MASE"``, ``"MAE"`` or ``"RMSE"``, which leave gaps out, or a function of what came and
        what was forecast, such as a metric of Darts; the mean over windows and series. Of quantiles the median counts.
    space
        What to try, by the name of the argument, in place of ``search_space()`` of each class:
        ``{"d_model": Options((16, 32)), "optimizer_kwargs.lr": Range(1e-4, 1e-2, log=True)}``.
    season
        Steps in a seasonal period, 1 for none; by default that which the frequency suggests.
    quantiles
        Quantiles to forecast, such as ``(0.1, 0.5, 0.9)``; by default a point forecast.
    study
        SQLite file to keep the trials in. A search goes on where an earlier one on the same data ended; several
        processes may share one file at the same time.
    seed
        Of what is drawn, initial weights and the order of windows. With ``n_trials`` and time enough, the same seed
        gives the same result.
    verbose
        Whether to show a progress bar on stderr.
    **arguments
        Arguments of the class that stay the same in all trials, such as ``dropout=0.1``.

    Returns
    -------
    Tuning
        The best model, a table and a picture.

    Raises
    ------
    ImportError
        If Optuna is not installed: ``pip install 'darts-tsformers[tune]'``.
    ValueError
        If a model, an argument or a metric is unknown; a number is out of range; the series are too short; the file is
        of another search; or no trial of a forecaster ended well.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import ITransformerModel
    >>> from darts_tsformers.tuning import Options, tune
    >>> noise = np.random.default_rng(0).normal(size=120) / 9
    >>> series = TimeSeries.from_values((np.sin(np.arange(120) * 2 * np.pi / 7) + noise).astype("float32"))
    >>> found = tune(
    ...     ITransformerModel,
    ...     series,
    ...     horizon=7,
    ...     n_trials=2,
    ...     epochs=1,
    ...     space={"d_model": Options((8, 16))},
    ...     season=7,
    ...     verbose=False,
    ...     n_heads=2,
    ... )
    >>> len(found.model.predict(7)), len(found.trials)
    (7, 4)
    """
    check(horizon, budget_seconds, n_trials, metric)
    is_single = isinstance(series, TimeSeries)
    listed = listed_series(series)
    task = Task(
        series=listed,
        past_covariates=one_for_each("past_covariates", past_covariates, len(listed)),
        future_covariates=one_for_each("future_covariates", future_covariates, len(listed)),
        horizon=horizon,
        season=usual_season(listed) if season is None else season,
        metric=metric,
        is_single=is_single,
    )
    candidates = Candidates(task, names_of(model_class), space, arguments, quantiles, epochs, seed)
    check_space(space or {}, candidates.models)
    for model in candidates.models:
        candidates.start(model)  # refuses what no trial could be built with
    about = {
        "models": candidates.models,
        "quantiles": list(quantiles),
        "epochs": epochs,
        "space": repr(space),
        "arguments": repr(arguments),
        "seed": seed,
    }
    limits = Limits(perf_counter() + budget_seconds, n_trials)
    with opened(study, task.fingerprint(about), seed) as trials_of, _bar(verbose) as bar:
        search(trials_of, candidates, limits, lambda trial: _show(bar, trial))
        trials = trials_of.trials
    best, own = _best(trials, NAME), _best(trials, MODEL)
    settings, name = settings_of(own, candidates), best.user_attrs[NAME]
    if name in NAMES:
        best_model: Any = Classical(name, task.season, series)
    else:
        with quiet_libraries(), few_threads(task.typical.n_components):
            best_model = fitting.refit(task, settings, own.user_attrs[EPOCHS])
    return Tuning(best_model, name, float(best.value), task.metric_name, _table(trials), settings)


def _best(trials: "Sequence[optuna.trial.FrozenTrial]", having: str) -> "optuna.trial.FrozenTrial":
    """Return the complete trial with the lowest error, of those of which something was written down."""
    done = [trial for trial in trials if trial.state.name == "COMPLETE" and having in trial.user_attrs]
    if not done:
        reasons = dict.fromkeys(trial.user_attrs[WHY] for trial in trials if WHY in trial.user_attrs)
        raise DataError(f"no trial of a forecaster ended well: {'; '.join(reasons)}")
    return min(done, key=lambda trial: trial.value)


def _table(trials: "Sequence[optuna.trial.FrozenTrial]") -> pd.DataFrame:
    """Tabulate the trials that were begun and ended."""
    rows = {
        trial.number: {
            "name": trial.user_attrs.get(NAME),
            "error": trial.value if trial.state.name == "COMPLETE" else None,
            "state": trial.state.name,
            **{name: trial.user_attrs.get(name) for name in (EPOCHS, SECONDS, WHY)},
            **drawn_by(trial),
        }
        for trial in trials
        if trial.state.is_finished()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("trial").astype({"error": float, EPOCHS: "Int64"})


@contextmanager
def _bar(verbose: bool) -> Iterator[tqdm]:
    with tqdm(desc="tuning", unit="trial", leave=False, disable=not verbose) as bar:
        yield bar


def _show(bar: tqdm, trial: "optuna.trial.FrozenTrial") -> None:
    bar.set_postfix_str(f"{trial.user_attrs.get(NAME)} {trial.value or trial.state.name.lower()}", refresh=False)
    bar.update()
