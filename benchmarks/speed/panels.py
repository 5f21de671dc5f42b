"""A million series from files: the store, an epoch of training and the forecast of all, beside the bare network.

Random walks of 200 steps; PatchTST of width 16 with look-back 48 and horizon 12, one thread. Input and store are
kept in the temporary folder of the system, for the next case.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput, TorchTrainingBatch

from benchmarks.core.goals import Figures, Goal
from benchmarks.core.memory import process_megabytes
from benchmarks.core.trial import Result, Trials
from darts_tsformers import PatchTSTModel
from darts_tsformers.panels import Panel, PanelTrainingDataset, WindowSizes, as_batch, fit_panel, forecast_panel

STEPS, LENGTH, HORIZON, BATCH = 200, 48, 12, 512
MANY, FEW = 10**6, 20_000
AT_ONCE = 10_000
"""Series of a row group of the input."""
QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}


def folder() -> Path:
    path = Path(tempfile.gettempdir()) / "darts_tsformers_panels"
    path.mkdir(exist_ok=True)
    return path


def table(n: int) -> Path:
    """Return a Parquet file of ``n`` series, sorted by series and time; write it if it is not there."""
    path = folder() / f"{n}.parquet"
    if path.is_file():
        return path
    rng, days = np.random.default_rng(0), np.datetime64("2024-01-01") + np.arange(STEPS)
    part, writer = path.with_suffix(".part"), None
    for first in range(0, n, AT_ONCE):
        ids = np.arange(first, min(first + AT_ONCE, n))
        walks = 10 + rng.standard_normal((len(ids), STEPS), dtype=np.float32).cumsum(axis=1)
        stamps = np.tile(days.astype("datetime64[ms]"), len(ids))
        rows = pa.table({"id": np.repeat(ids, STEPS), "day": stamps, "y": walks.ravel()})
        writer = writer or pq.ParquetWriter(part, rows.schema)
        writer.write_table(rows)
    if writer is not None:
        writer.close()
    return part.rename(path)


def panel(n: int) -> Panel:
    path = folder() / f"{n}.panel"
    if not path.is_dir():
        Panel.from_parquet(table(n), id="id", time="day", target="y", store=path)
    return Panel(path)


def model(**changes: Any) -> PatchTSTModel:
    sizes: dict[str, Any] = {"d_model": 16, "n_heads": 4, "d_ff": 32, "n_encoder_layers": 2}
    sizes |= {"n_epochs": 1, "batch_size": BATCH, "random_state": 0, "pl_trainer_kwargs": QUIET}
    return PatchTSTModel(LENGTH, HORIZON, **sizes | changes)


def measured(step: Callable[[], object]) -> Result:
    """Return seconds by the clock and of the processor, and the growth of the process, of one turn."""
    seconds: dict[str, float] = {}

    def timed() -> None:
        wall, processor = time.perf_counter(), time.process_time()
        step()
        seconds.update(seconds=time.perf_counter() - wall, processor=time.process_time() - processor)

    megabytes = process_megabytes(timed)
    return seconds | {"megabytes": megabytes}


def store(n: int) -> Result:
    table(n)
    shutil.rmtree(folder() / f"{n}.panel", ignore_errors=True)
    return measured(lambda: panel(n))


def forecast(n: int) -> Result:
    some = panel(n)
    fitted = fit_panel(model(), some, windows_per_epoch=BATCH)
    with tempfile.TemporaryDirectory() as out:
        found = measured(lambda: forecast_panel(fitted, some, HORIZON, out=Path(out) / "all"))
    bare = processor_of(partial(_forward, fitted.model.eval(), _batch(some)))
    return found | {"times_the_network": found["processor"] / n / (bare / BATCH)}


def epoch(n: int) -> Result:
    some = panel(n)
    found = measured(lambda: fit_panel(model(), some, windows_per_epoch=n))
    fitted = fit_panel(model(), some, windows_per_epoch=BATCH)
    module = fitted.model.train()
    optimizer = module.configure_optimizers()
    bare = processor_of(partial(_train, module, optimizer, _batch(some)))
    return found | {"times_the_network": found["processor"] / n / (bare / BATCH)}


def beside_darts(n: int) -> Result:
    some = panel(n)
    fitted = fit_panel(model(), some, windows_per_epoch=BATCH)
    series = [some.series(i).target for i in range(n)]
    theirs = measured(lambda: fitted.predict(HORIZON, series=series, verbose=False))
    with tempfile.TemporaryDirectory() as out:
        ours = measured(lambda: forecast_panel(fitted, some, HORIZON, out=Path(out) / "all"))
    darts = {f"{name}_of_predict": value for name, value in theirs.items()}
    return ours | darts | {"times_as_fast": theirs["processor"] / ours["processor"]}


def processor_of(step: Callable[[], object], turns: int = 20) -> float:
    """Return the processor time of a turn: the median of some."""
    step()
    found = []
    for _ in range(turns):
        before = time.process_time()
        step()
        found.append(time.process_time() - before)
    return float(np.median(found))


def _batch(some: Panel) -> TorchTrainingBatch:
    batch = as_batch(PanelTrainingDataset(some, WindowSizes(LENGTH, LENGTH, HORIZON)).__getitems__(range(BATCH)))
    assert isinstance(batch, TorchTrainingBatch)
    return batch


@torch.inference_mode()
def _forward(module: Any, batch: TorchTrainingBatch) -> None:
    module(PLModuleInput(past_target=batch.past_target))


def _train(module: Any, optimizer: torch.optim.Optimizer, batch: TorchTrainingBatch) -> None:
    optimizer.zero_grad()
    forecast = module(batch.to_module_input(stage=ModuleStage.TRAIN)).prediction.squeeze(-1)
    (forecast - batch.future_target).square().mean().backward()
    optimizer.step()


def of(case: str, figure: str) -> Callable[[Figures], float | None]:
    def read(figures: Figures) -> float | None:
        return figures.get("cases", {}).get(case, {}).get("result", {}).get(figure)

    return read


STORE, FORECAST, EPOCH = (f"{what}, 1,000,000 series" for what in ("store", "forecast", "epoch"))
BESIDE = "forecast beside predict, 20,000 series"

BENCHMARKS = [
    Trials(
        name="panels",
        title="A million series from files",
        cases={
            STORE: partial(store, MANY),
            FORECAST: partial(forecast, MANY),
            EPOCH: partial(epoch, MANY),
            BESIDE: partial(beside_darts, FEW),
        },
        goals=[
            Goal("seconds to build the store of 1,000,000 series from Parquet", of(STORE, "seconds"), at_most=90),
            *(
                Goal(f"peak memory, MB: {case}", of(case, "megabytes"), at_most=1500)
                for case in (STORE, FORECAST, EPOCH)
            ),
            Goal("forecast, times the bare network", of(FORECAST, "times_the_network"), at_most=3),
            Goal("epoch, times the bare network's steps", of(EPOCH, "times_the_network"), at_most=1.3),
            Goal("forecast of 20,000 series, times as fast as predict", of(BESIDE, "times_as_fast"), at_least=5),
        ],
        note=(
            "200 steps a series, look-back 48, horizon 12, PatchTST of width 16, batches of 512, one thread; ratios "
            "are of processor time. Memory is what the process grows by, mapped files included."
        ),
        processor_only=True,
    )
]
