"""Forecasts of all series of a panel by the workers of Ray."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from tqdm.auto import tqdm

from darts_tsformers.checks import require_at_least
from darts_tsformers.panels.forecasting import SERIES_PER_FILE, Asked, Forecasting
from darts_tsformers.panels.on_ray import packed, require_ray, unpacked
from darts_tsformers.panels.store import Panel


def forecast_on_ray(
    model: TorchForecastingModel,
    panel: Panel,
    n: int,
    *,
    out: str | os.PathLike[str],
    use_gpu: bool = False,
    max_failures: int = 3,
    quantiles: Sequence[float] | None = None,
    num_samples: int | None = None,
    skip_short: bool = False,
    series_per_file: int = SERIES_PER_FILE,
    batch_size: int | None = None,
    seed: int = 0,
    verbose: bool = False,
) -> Path:
    """Forecast every series of a panel by tasks of Ray; needs ``darts-tsformers[ray]``.

    The files are those of :func:`forecast_panel`, whichever worker makes them. Each is one task, and there are as many
    tasks at a time as Ray has cores or GPUs. If a worker is lost, its file is made by another one. The same call on the
    same folder, here or by :func:`forecast_panel`, makes only files that are missing.

    Ray is started if it is not running. Call ``ray.init`` first to use a cluster.

    Parameters
    ----------
    model, panel, n, quantiles, num_samples, skip_short, series_per_file, batch_size, seed, verbose
        As for :func:`forecast_panel`. All machines read the panel from ``panel.path``: on a cluster that has to be in
        a folder that they share.
    out
        Folder for the files. All machines write to it.
    use_gpu
        Whether each task has a GPU; otherwise each has a processor core.
    max_failures
        How many workers may be lost on one file before the error is raised.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ImportError
        If Ray is not installed.
    ValueError
        As :func:`forecast_panel` does.
    ray.exceptions.WorkerCrashedError
        If more workers were lost on one file than ``max_failures``.

    Examples
    --------
    >>> from darts_tsformers.panels import Panel, forecast_on_ray
    >>> forecast_on_ray(model, Panel("shops"), 7, out="forecasts", quantiles=[0.1, 0.5, 0.9])  # doctest: +SKIP
    PosixPath('forecasts')
    """
    ray = require_ray()
    require_at_least(0, max_failures=max_failures)
    job = Forecasting(
        Asked(model, n, quantiles=quantiles, num_samples=num_samples, batch_size=batch_size),
        panel,
        Path(out).absolute(),
        series_per_file=series_per_file,
        seed=seed,
        skip_short=skip_short,
    )
    missing = job.begin()
    work = ray.put((job, packed(model), "gpu" if use_gpu else "cpu"))
    write = ray.remote(max_retries=max_failures, num_cpus=1, num_gpus=int(use_gpu))(_write)
    tasks = [write.remote(work, part) for part in missing]
    try:
        with tqdm(total=len(tasks), desc="forecasting", unit="file", disable=not verbose) as progress:
            while tasks:
                done, tasks = ray.wait(tasks)
                ray.get(done)
                progress.update()
    finally:
        for task in tasks:
            ray.cancel(task)
    return job.folder


def _write(work: Any, part: int) -> None:
    """Write one file in a worker."""
    job, model, accelerator = work
    job.ask.model = unpacked(model, accelerator=accelerator, devices=1, num_nodes=1, strategy="auto")
    job.write(part)
