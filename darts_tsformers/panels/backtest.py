"""Forecasts of what is known already, beside it: how good a model is on a panel."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from tqdm.auto import tqdm

from darts_tsformers.adapter.files.whole_files import whole_file
from darts_tsformers.checks import require_at_least
from darts_tsformers.panels.forecasting import SERIES_PER_FILE, Asked, facts_of, series_of_part, table_of
from darts_tsformers.panels.jobs import begin
from darts_tsformers.panels.models import require_windows, sizes_of
from darts_tsformers.panels.store import Panel
from darts_tsformers.panels.windows import LastWindows, cut


def backtest_panel(
    model: TorchForecastingModel,
    panel: Panel,
    n: int,
    *,
    out: str | os.PathLike[str],
    windows: int = 1,
    stride: int | None = None,
    quantiles: Sequence[float] | None = None,
    num_samples: int | None = None,
    series_per_file: int = SERIES_PER_FILE,
    batch_size: int | None = None,
    seed: int = 0,
    verbose: bool = False,
) -> pd.DataFrame:
    """Forecast the last steps of every series from the steps before them, and compare.

    The model is not trained again. The files are those of :func:`forecast_panel` with two more columns: ``window``,
    which of the forecasts it is, counted from the newest, and ``actual``, what was observed; null where nothing was.
    A series that is too short for a window is left out of it.

    Parameters
    ----------
    model, panel, n, out, quantiles, num_samples, series_per_file, batch_size, seed, verbose
        As for :func:`forecast_panel`.
    windows
        Forecasts of each series.
    stride
        Steps between two of them; None for ``n``.

    Returns
    -------
    pandas.DataFrame
        For each window, component and, if asked for, quantile: the number of steps compared, the mean absolute error
        (``mae``), the root of the mean squared error (``rmse``) and, for quantiles, the mean quantile loss
        (``pinball``). Samples are compared by their mean over a step.

    Raises
    ------
    ValueError
        As :func:`forecast_panel` does, and if no series is long enough for any window.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.panels import Panel, backtest_panel, fit_panel
    >>> table = pd.DataFrame({"id": np.repeat([1, 2], 40), "t": [*range(40)] * 2, "y": np.sin(np.arange(80.0))})
    >>> panel = Panel.from_pandas(table, id="id", time="t", target="y")
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    >>> model = PatchTSTModel(12, 3, d_model=8, n_heads=2, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> scores = backtest_panel(fit_panel(model, panel), panel, 3, out="backtest", windows=2)
    >>> scores[["window", "component", "steps"]]
       window component  steps
    0       1         y      6
    1       2         y      6
    """
    stride = n if stride is None else stride
    require_windows(model)
    require_at_least(1, n=n, windows=windows, stride=stride, series_per_file=series_per_file)
    ask = Asked(model, n, quantiles=quantiles, num_samples=num_samples, batch_size=batch_size)
    folder = Path(out)
    facts = {"windows": windows, "stride": stride, "series_per_file": series_per_file, "seed": seed}
    begin(folder, facts_of(model, panel, ask) | facts)
    parts = range(-(-len(panel) // series_per_file))
    sums = []
    for part in tqdm(parts, desc="backtesting", unit="file", disable=not verbose):
        path = folder / f"part-{part:05d}.parquet"
        if not path.is_file():
            tables = [
                _window(ask, panel, part, window, stride * window, series_per_file, seed=seed + part * windows + window)
                for window in range(windows)
            ]
            with whole_file(path) as unfinished:
                pq.write_table(pa.concat_tables(tables), unfinished, store_schema=False)
        sums.append(_sums(pq.read_table(path), panel))
    return _scores(pd.concat(sums), needed=sizes_of(model).shortest_lookback + n)


def _window(
    ask: Asked, panel: Panel, part: int, window: int, back: int, series_per_file: int, *, seed: int
) -> pa.Table:
    """Forecast the steps that end ``back`` steps before the last target, and put those beside."""
    shift = ask.model.output_chunk_shift
    before = back + ask.n + shift
    series = series_of_part(panel, part, series_per_file, before + sizes_of(ask.model).shortest_lookback)
    table = table_of(ask, panel, series, seed=seed, cut=before)
    actual = _actual(panel, series, back + ask.n, ask.n)
    repeated = np.repeat(actual.ravel(), table.num_rows // max(actual.size, 1))
    table = table.append_column("actual", pa.array(repeated, pa.float32(), from_pandas=True))
    return table.append_column("window", pa.array(np.full(table.num_rows, window + 1, np.int32)))


def _actual(panel: Panel, series: np.ndarray, before: int, n: int) -> np.ndarray:
    """Return ``n`` steps of each series, from ``before`` steps before its last target on, ``(S, n, C)``."""
    found = np.empty((len(series), n, len(panel.schema.columns.target)), np.float32)
    for place in LastWindows(panel, series).find(np.arange(len(series))):
        values = place.shard.values("target")
        assert values is not None
        found[place.rows] = cut(values, place.offsets + place.ends - before, n, place.offsets)
    return found


def _sums(table: pa.Table, panel: Panel) -> pd.DataFrame:
    """Sum up the errors of a file by window, component and quantile."""
    by = ["window", "component", *(["quantile"] if "quantile" in table.column_names else [])]
    frame = table.drop_columns([panel.schema.columns.id]).to_pandas()
    error = frame["actual"] - frame["forecast"]
    errors = {"mae": error.abs(), "rmse": error**2}
    if "quantile" in frame:
        errors["pinball"] = np.maximum(frame["quantile"] * error, (frame["quantile"] - 1) * error)
    compared = pd.DataFrame({"steps": error.notna(), **errors, **{name: frame[name] for name in by}})
    return compared.groupby(by).sum()


def _scores(sums: pd.DataFrame, *, needed: int) -> pd.DataFrame:
    total: Any = sums.groupby(level=list(range(sums.index.nlevels))).sum()
    if total.empty:
        raise ValueError(f"no series of the panel has the {needed} steps that a window needs")
    scores = total.drop(columns="steps").div(total["steps"], axis=0)
    scores["rmse"] **= 0.5
    scores.insert(0, "steps", total["steps"].astype(int))
    return scores.reset_index()
