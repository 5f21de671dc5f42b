"""Forecasts of all series of a panel, to Parquet files."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.likelihood_models.torch import QuantileRegression
from tqdm.auto import tqdm

from darts_tsformers.adapter.files.whole_files import whole_file
from darts_tsformers.checks import require_at_least
from darts_tsformers.panels.batches import as_batch
from darts_tsformers.panels.datasets import PanelInferenceDataset
from darts_tsformers.panels.jobs import begin
from darts_tsformers.panels.models import begins_with_series, kinds_trained_with, require_windows, sizes_of, weights_of
from darts_tsformers.panels.store import Panel

SAMPLES_FOR_QUANTILES = 500
SERIES_PER_FILE = 2**14


def forecast_panel(
    model: TorchForecastingModel,
    panel: Panel,
    n: int,
    *,
    out: str | os.PathLike[str],
    quantiles: Sequence[float] | None = None,
    num_samples: int | None = None,
    skip_short: bool = False,
    series_per_file: int = SERIES_PER_FILE,
    batch_size: int | None = None,
    seed: int = 0,
    verbose: bool = False,
) -> Path:
    """Forecast every series of a panel into Parquet files in long format.

    The columns are the id and the time of the panel, ``component``, ``quantile`` or ``sample`` if asked for, and
    ``forecast``. Rows are in the order of series, steps and components. The values are those of ``model.predict``.

    Parameters
    ----------
    model
        A fitted torch model of this package or of Darts.
    panel
        Each series is forecast from its last target on.
    n
        Steps to forecast.
    out
        Folder for the files, each of which is there as a whole or not at all. The same call on the same folder makes
        only those that are missing, so that it goes on after it was stopped.
    quantiles
        Quantiles to forecast. Those that the model was trained on (``QuantileRegression``) are read off it up to its
        ``output_chunk_length``; all others are counted over ``num_samples``.
    num_samples
        Samples to draw; without ``quantiles`` they are written themselves. By default 500 where quantiles need them.
    skip_short
        Whether series that are too short for the model are left out; otherwise they are an error.
    series_per_file
        Series that are forecast and written together.
    batch_size
        Series that the network forecasts at once; None for the model's own.
    seed
        Of samples. Each file has its own draws, which do not depend on those before it.
    verbose
        Whether to show progress.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ValueError
        If a series is too short or its covariates do not reach far enough (the message names it), an argument breaks
        its rule, the model has nothing to draw samples from or needs to be told what to draw, or ``out`` holds other
        files or the forecasts of another model or panel.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.panels import Panel, fit_panel, forecast_panel
    >>> table = pd.DataFrame({"id": np.repeat([1, 2], 40), "t": [*range(40)] * 2, "y": np.sin(np.arange(80.0))})
    >>> panel = Panel.from_pandas(table, id="id", time="t", target="y")
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    >>> model = PatchTSTModel(12, 3, d_model=8, n_heads=2, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> out = forecast_panel(fit_panel(model, panel), panel, 3, out="forecasts")
    >>> pd.read_parquet(out)[["id", "t", "component"]].head(4)
       id   t component
    0   1  40         y
    1   1  41         y
    2   1  42         y
    3   2  40         y
    """
    job = Forecasting(
        Asked(model, n, quantiles=quantiles, num_samples=num_samples, batch_size=batch_size),
        panel,
        Path(out),
        series_per_file=series_per_file,
        seed=seed,
        skip_short=skip_short,
    )
    for part in tqdm(job.begin(), desc="forecasting", unit="file", disable=not verbose):
        job.write(part)
    return job.folder


class Asked:
    """What is asked of a model.

    Parameters
    ----------
    model, n
        A fitted model and how many steps.
    quantiles, num_samples, batch_size
        See :func:`forecast_panel`.
    """

    def __init__(
        self,
        model: TorchForecastingModel,
        n: int,
        *,
        quantiles: Sequence[float] | None = None,
        num_samples: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        require_windows(model)
        require_at_least(1, n=n)
        if getattr(model, "model", None) is None:
            raise ValueError(f"model={type(model).__name__}(...) must be fitted first, such as by fit_panel")
        if num_samples is not None:
            require_at_least(1, num_samples=num_samples)
        if quantiles is not None:
            quantiles = _checked(quantiles)
        self.model, self.n = model, n
        self.quantiles, self.batch_size = quantiles, batch_size
        self.levels = self._levels()
        self.num_samples = num_samples or (1 if quantiles is None or self.levels else SAMPLES_FOR_QUANTILES)
        if self.num_samples > 1 and not model.supports_probabilistic_prediction:
            raise ValueError(f"model={type(model).__name__}(...) has no likelihood to draw quantiles or samples from")
        if model.likelihood is not None and quantiles is None and num_samples is None:
            raise ValueError(
                "the model forecasts a distribution: ask for quantiles=[...], or for samples by num_samples"
            )

    def _levels(self) -> list[int]:
        """Return places of the quantiles among those that the model was trained on; none if one is not or n is long."""
        likelihood = self.model.likelihood
        if (
            not self.quantiles
            or not isinstance(likelihood, QuantileRegression)
            or self.n > self.model.output_chunk_length
        ):
            return []
        known = [round(level, 9) for level in likelihood.quantiles]
        wanted = [round(level, 9) for level in self.quantiles]
        return [known.index(level) for level in wanted] if set(wanted) <= set(known) else []

    def values(self, dataset: PanelInferenceDataset, *, seed: int) -> np.ndarray:
        """Return forecasts ``(S, n, C, Q)``: of quantiles, samples, or the one that there is."""
        found, *_ = self.model.predict_from_dataset(
            n=self.n,
            dataset=dataset,
            num_samples=self.num_samples,
            predict_likelihood_parameters=bool(self.levels),
            batch_size=self.batch_size,
            random_state=seed,
            verbose=False,
            dataloader_kwargs={"collate_fn": as_batch},
            values_only=True,
        )
        if self.levels:
            found = found[..., 0].reshape(*found.shape[:2], -1, len(self.model.likelihood.quantiles))
            return found[..., self.levels]
        if self.quantiles is not None:
            return np.moveaxis(np.quantile(found, self.quantiles, axis=-1), 0, -1).astype(found.dtype)
        return found


@dataclass(frozen=True)
class Forecasting:
    """Forecasts of a panel in files, each of which can be made by itself.

    Attributes
    ----------
    ask, panel
        What is forecast.
    folder, series_per_file, seed, skip_short
        See :func:`forecast_panel`.
    """

    ask: Asked
    panel: Panel
    folder: Path
    series_per_file: int
    seed: int
    skip_short: bool

    def __post_init__(self) -> None:
        require_at_least(1, series_per_file=self.series_per_file)

    def begin(self) -> list[int]:
        """Make the folder, or go on in it, and return the numbers of the files that are missing."""
        of_files = {"series_per_file": self.series_per_file, "seed": self.seed, "skip_short": self.skip_short}
        begin(self.folder, facts_of(self.ask.model, self.panel, self.ask) | of_files)
        return [part for part in range(-(-len(self.panel) // self.series_per_file)) if not self._path(part).is_file()]

    def write(self, part: int) -> None:
        """Write the file of a number, whole or not at all."""
        shortest = sizes_of(self.ask.model).shortest_lookback if self.skip_short else 0
        series = series_of_part(self.panel, part, self.series_per_file, shortest)
        table = table_of(self.ask, self.panel, series, seed=self.seed + part)
        with whole_file(self._path(part)) as unfinished:
            pq.write_table(table, unfinished, store_schema=False)

    def _path(self, part: int) -> Path:
        return self.folder / f"part-{part:05d}.parquet"


def facts_of(model: TorchForecastingModel, panel: Panel, ask: Asked) -> dict[str, Any]:
    """Return what forecasts depend on, as plain data."""
    return {
        "panel": panel.schema.checksum,
        "weights": weights_of(model),
        "n": ask.n,
        "quantiles": ask.quantiles,
        "num_samples": ask.num_samples,
    }


def series_of_part(panel: Panel, part: int, series_per_file: int, shortest: int) -> np.ndarray:
    """Return the numbers of the series of a file that have enough steps."""
    series = np.arange(part * series_per_file, min((part + 1) * series_per_file, len(panel)))
    return series[panel.ends(series) >= shortest]


def table_of(ask: Asked, panel: Panel, series: np.ndarray, *, seed: int, cut: int = 0) -> pa.Table:
    """Forecast series and return a table in long format.

    Parameters
    ----------
    ask, panel, series
        What to forecast, and numbers of the series.
    seed
        Of samples.
    cut
        Steps at the end of each series that count as future.
    """
    model, columns = ask.model, panel.schema.columns
    dataset = PanelInferenceDataset(
        panel,
        sizes_of(model),
        ask.n,
        series=series,
        cut=cut,
        kinds=kinds_trained_with(model),
        begins_with_series=begins_with_series(model),
    )
    values = ask.values(dataset, seed=seed) if len(series) > 0 else np.zeros((0, ask.n, len(columns.target), 1))
    _, n, width, n_drawn = values.shape
    first = panel.starts(series) + panel.ends(series) - cut + model.output_chunk_shift
    stamps = panel.schema.axis.stamps((first[:, None] + np.arange(n)).ravel())
    found: dict[str, Any] = {
        columns.id: _repeated(panel.ids_of(series), np.repeat(np.arange(len(series)), n * width * n_drawn)),
        columns.time: np.repeat(stamps, width * n_drawn),
        "component": _repeated(
            pa.array(columns.target), np.tile(np.repeat(np.arange(width), n_drawn), len(series) * n)
        ),
    }
    drawn = np.array(ask.quantiles) if ask.quantiles is not None else np.arange(n_drawn)
    name = "quantile" if ask.quantiles is not None else "sample"
    if ask.quantiles is not None or n_drawn > 1:
        found[name] = _repeated(pa.array(drawn), np.tile(np.arange(n_drawn), len(series) * n * width))
    return pa.table(found | {"forecast": values.ravel()})


def _repeated(values: pa.Array, places: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), values)


def _checked(quantiles: Sequence[float]) -> list[float]:
    levels = [float(level) for level in quantiles]
    if not levels or not all(0 < level < 1 for level in levels) or levels != sorted(set(levels)):
        raise ValueError(f"quantiles={quantiles!r} must be one or more numbers between 0 and 1 in ascending order")
    return levels
