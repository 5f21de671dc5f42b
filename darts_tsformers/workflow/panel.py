"""One forecaster for many series, tested beside classical ones on the end of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import pandas as pd
from darts import TimeSeries
from darts.dataprocessing.transformers import StaticCovariatesTransformer
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from sklearn.preprocessing import OneHotEncoder
from tqdm.auto import tqdm

from darts_tsformers.workflow.baselines import Baseline, SeasonalNaive, Smoothing, without_gaps
from darts_tsformers.workflow.checks import require_finite, require_known_future
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.names import NAIVE, SMOOTHING
from darts_tsformers.workflow.panel_comparison import PanelComparison
from darts_tsformers.workflow.process import few_threads, quiet_libraries
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.scores import score
from darts_tsformers.workflow.settings import AUTO, Settings, choose_settings
from darts_tsformers.workflow.table import Id, Table, Tables, naming
from darts_tsformers.workflow.training import covariates, train_on
from darts_tsformers.workflow.windows import Forecast, forecast_histories

_FEWEST_ROWS = 4
"""A shorter history tells nothing."""

_FEWEST_SMOOTHED = 16
_MANY_SERIES = 100


def compare_panel(
    tables: Tables,
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
    verbose: bool = True,
) -> PanelComparison:
    """Train one forecaster on all series, score it beside classical ones on the end of each, and forecast.

    The last windows of one horizon are held back, three of each series or, where there are more than a hundred series,
    one; as many before them stop the training, and decide which model is best. Static covariates of text are one-hot
    coded. ``ExponentialSmoothing``, fitted anew to each window of each series, takes longest.

    Parameters
    ----------
    tables
        From :func:`~darts_tsformers.workflow.reading.read_table` with ``id``.
    horizon, model, lookback, season, epochs, quantiles, seed, model_arguments, calendar, verbose
        As for :func:`~darts_tsformers.workflow.compare.compare`; what is not given is chosen by the series of median
        length.

    Returns
    -------
    PanelComparison
        Scores of each series and of all, forecasts and the trained model.

    Raises
    ------
    DataError
        If an argument is out of range, most series are too short, one has fewer than four rows, or a future covariate
        is not known over the horizon.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers.workflow import compare_panel, read_table
    >>> days = pd.date_range("2024-01-01", periods=60, freq="D")
    >>> shops = [
    ...     pd.DataFrame({"shop": name, "day": days, "units": level + np.arange(60) % 7})
    ...     for name, level in (("north", 20.0), ("south", 50.0))
    ... ]
    >>> tables = read_table(pd.concat(shops), target="units", id="shop")
    >>> comparison = compare_panel(tables, horizon=7, model="patchtst", epochs=1, verbose=False)
    >>> comparison.scores.index.tolist()
    ['PatchTSTModel', 'NaiveSeasonal', 'ExponentialSmoothing']
    >>> comparison.scores_by_series.loc["south"].shape
    (3, 3)
    """
    typical = sorted(tables.values(), key=lambda table: len(table.target))[len(tables) // 2]
    settings = choose_settings(
        typical.target,
        horizon,
        model,
        future_covariates=typical.future_covariates,
        lookback=lookback,
        season=season,
        epochs=epochs,
        quantiles=quantiles,
        seed=seed,
        model_arguments=model_arguments,
        calendar=calendar,
        n_series=len(tables),
    )
    for key, table in tables.items():
        with naming(key):
            _require_rows(len(table.target), _FEWEST_ROWS)
            require_known_future(table, horizon)
    plan = _Plan(horizon, n_windows=1 if len(tables) > _MANY_SERIES else 3)
    tested = [key for key, table in tables.items() if len(table.target) >= plan.n_needed]
    if not tested:
        _require_rows(max(len(table.target) for table in tables.values()), plan.n_needed)
    settings = _for_short_histories(settings, min(plan.n_train(table) for table in tables.values()))
    ends = {key: plan.ends(table) for key, table in tables.items()}

    with quiet_libraries(), few_threads(typical.target.n_components):
        start = perf_counter()
        scalers = {key: Scalers.fit(table, plan.n_train(table)) for key, table in tables.items()}
        scaled = _encoded({key: scalers[key].transform(table) for key, table in tables.items()})
        training = _training_data([scaled[key] for key in tested], plan, settings)
        fitted = train_on(settings, training, verbose=verbose).model
        ours = _forecasts(fitted, scaled, ends, settings, scalers)
        results = {settings.model_class: {key: [one.point for one in found] for key, found in ours.items()}}
        seconds = {settings.model_class: perf_counter() - start}
        for label in (NAIVE, SMOOTHING):
            start = perf_counter()
            bar = tqdm(tables.items(), desc=label, unit="series", leave=False, disable=not verbose)
            results[label] = {key: _run(label, table, ends[key], settings) for key, table in bar}
            seconds[label] = perf_counter() - start
    for label, found in results.items():
        for key, forecasts in found.items():
            with naming(key):
                require_finite(label, forecasts, tables[key].target.components)

    seasons = {key: _season(settings, plan.n_train(tables[key])) for key in tested}
    validation = _scores(results, tables, seasons, slice(plan.n_windows))
    scores = _scores(results, tables, seasons, slice(plan.n_windows, -1))
    return PanelComparison(
        tables=tables,
        settings=settings,
        scores=_means(scores).assign(seconds=pd.Series(seconds)),
        scores_by_series=scores,
        best=str(_means(validation)["MASE"].fillna(float("inf")).idxmin()),
        forecasts={label: {key: forecasts[-1] for key, forecasts in found.items()} for label, found in results.items()},
        forecast_quantiles={
            q: {key: found[-1].quantiles[q] for key, found in ours.items()} for q in settings.quantiles
        },
        model=fitted,
        scalers=scalers,
        untested=[key for key in tables if key not in seasons],
    )


@dataclass(frozen=True)
class _Plan:
    """The windows of one horizon at the end of each series: ``n_windows`` of validation, then as many of test."""

    horizon: int
    n_windows: int

    @property
    def n_held(self) -> int:
        """Rows that are not trained on."""
        return 2 * self.n_windows * self.horizon

    @property
    def n_needed(self) -> int:
        """Rows of a series that can be tested."""
        return self.n_held + self.horizon + _FEWEST_ROWS

    def n_train(self, table: Table) -> int:
        """Rows to train on: all of a series that is too short to be tested."""
        n_rows = len(table.target)
        return n_rows - self.n_held if n_rows >= self.n_needed else n_rows

    def ends(self, table: Table) -> list[int]:
        """Return the rows before each window, and all rows."""
        return list(range(self.n_train(table), len(table.target) + 1, self.horizon))


def _require_rows(n_rows: int, needed: int) -> None:
    if n_rows < needed:
        raise DataError(f"{n_rows} rows are too few: {needed} are needed; leave it out or shorten the horizon")


def _for_short_histories(settings: Settings, shortest: int) -> Settings:
    """Let the model take histories that are shorter than its look-back, if there are any."""
    if shortest >= settings.lookback + settings.horizon:
        return settings
    fewest = {"min_input_chunk_length": min(_FEWEST_ROWS, settings.lookback)}
    return replace(settings, model_arguments=fewest | dict(settings.model_arguments))


def _encoded(scaled: Mapping[Id, Table]) -> dict[Id, Table]:
    """Make numbers of static covariates."""
    targets = [table.target for table in scaled.values()]
    if not targets[0].has_static_covariates:
        return dict(scaled)
    encoded = StaticCovariatesTransformer(transformer_cat=OneHotEncoder()).fit_transform(targets)
    return {key: replace(table, target=one) for (key, table), one in zip(scaled.items(), encoded, strict=True)}


def _training_data(scaled: Sequence[Table], plan: _Plan, settings: Settings) -> dict[str, Any]:
    starts = [plan.n_train(table) for table in scaled]
    return {
        "series": [table.target[:start] for table, start in zip(scaled, starts, strict=True)],
        "val_series": [
            table.target[max(start - settings.lookback, 0) : start + plan.n_held // 2]
            for table, start in zip(scaled, starts, strict=True)
        ],
        **covariates(
            [table.past_covariates for table in scaled] if scaled[0].past_covariates is not None else None,
            [table.future_covariates for table in scaled] if scaled[0].future_covariates is not None else None,
        ),
    }


def _forecasts(
    model: TorchForecastingModel,
    scaled: Mapping[Id, Table],
    ends: Mapping[Id, Sequence[int]],
    settings: Settings,
    scalers: Mapping[Id, Scalers],
) -> dict[Id, list[Forecast]]:
    """Forecast all windows of all series in one go."""
    cuts = [(key, end) for key in scaled for end in ends[key]]
    tables = [scaled[key] for key, _ in cuts]
    rows = [end for _, end in cuts]
    found: dict[Id, list[Forecast]] = {key: [] for key in scaled}
    made = forecast_histories(model, tables, rows, settings, [scalers[key].target for key, _ in cuts])
    for (key, _), forecast in zip(cuts, made, strict=True):
        found[key].append(forecast)
    return found


def _run(label: str, table: Table, ends: Sequence[int], settings: Settings) -> list[TimeSeries]:
    first = without_gaps(table.target[: ends[0]])
    forecast = _baseline(label, first, settings)
    return [forecast(without_gaps(table.target[:end]), settings.horizon) for end in ends]


def _baseline(label: str, first: TimeSeries, settings: Settings) -> Baseline:
    if label == SMOOTHING and len(first) >= _FEWEST_SMOOTHED:
        return Smoothing.choose(_season(settings, len(first), at_least=2), first)
    return SeasonalNaive(_season(settings, len(first)))


def _season(settings: Settings, n_rows: int, at_least: int = 1) -> int:
    """Return the season, or 1 if there are no more rows than in so many of it."""
    return settings.season if n_rows > at_least * settings.season else 1


def _scores(
    results: Mapping[str, Mapping[Id, Sequence[TimeSeries]]], tables: Tables, seasons: Mapping[Id, int], windows: slice
) -> pd.DataFrame:
    """Score some windows of each series that has a season here, by each model."""
    rows = {}
    for key, season in seasons.items():
        ids = (key,) if isinstance(key, str) else key
        for label, found in results.items():
            rows[*ids, label] = score(found[key][windows], tables[key].target, season)
    index = pd.MultiIndex.from_tuples(list(rows), names=[*tables.id_names, "model"])
    return pd.DataFrame(list(rows.values()), index=index)


def _means(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.groupby(level="model", sort=False).mean()
