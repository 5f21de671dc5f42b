"""Size, latency and error of compressed files: ``python -m benchmarks.compression``; minutes."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pytorch_lightning as pl
from darts import TimeSeries
from darts.utils.onnx import run_onnx_prediction

import darts_tsformers
from darts_tsformers.adapter.callbacks import BestWeights
from darts_tsformers.compression import compress, load_session

MODELS = ("ITransformerModel", "PatchTSTModel", "SMambaModel")
LOOKBACK, HORIZON, N_WINDOWS = 96, 24, 40
PIPELINE = ["prune", "cluster", "int8", "deflate"]
FORMS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "int8": (["int8"], {}),
    "static": (["static"], {}),
    "cluster, deflate": (["cluster", "deflate"], {}),
    "prune 0.3, cluster 16, int8, deflate": (PIPELINE, {"share": 0.3}),
    "prune 0.7, cluster 4, int8, deflate": (PIPELINE, {"share": 0.7, "n_values": 4}),
}


def data() -> TimeSeries:
    """Return two seasons on a trend, with noise, from a formula: 2,000 steps."""
    steps = np.arange(2000)
    noise = np.random.default_rng(0).normal(size=2000) / 3
    values = np.sin(steps * 2 * np.pi / 24) + np.sin(steps * 2 * np.pi / 168) / 2 + steps / 2000 + noise
    return TimeSeries.from_values(values.astype("float32"))


def rows(name: str) -> Iterator[tuple[str, float, float, float]]:
    """Yield form, kilobytes, milliseconds of one forecast, and mean absolute error."""
    series = data()
    trainer = pl.Trainer(
        max_epochs=6, callbacks=[BestWeights(3)], logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    model = getattr(darts_tsformers, name)(LOOKBACK, HORIZON, random_state=0, optimizer_kwargs={"lr": 1e-3})
    model.fit(series[:1300], val_series=series[1204:1500], trainer=trainer, verbose=False)
    with TemporaryDirectory() as folder:
        whole = Path(folder) / "model.onnx"
        model.to_onnx(whole)
        yield "as it is", whole.stat().st_size / 1000, *measured(whole, series)
        for form, (methods, options) in FORMS.items():
            path = Path(folder) / ("small.onnx" + (".gz" if "deflate" in methods else ""))
            small = compress(whole, path, methods, series=series[:1300], **options)
            yield form, small.n_bytes / 1000, *measured(path, series)


def measured(path: Path, series: TimeSeries) -> tuple[float, float]:
    """Return milliseconds of a window, and the mean absolute error of windows after the training."""
    session = load_session(path)
    ends = np.linspace(1500, len(series) - HORIZON, N_WINDOWS).astype(int)
    histories = [series[: int(end)] for end in ends]
    window = {"past_target": series.values()[None, 1404:1500]}
    seconds = []
    for _ in range(50):
        begin = perf_counter()
        session.run(None, window)
        seconds.append(perf_counter() - begin)
    forecasts = run_onnx_prediction(HORIZON, session, histories, verbose=False)
    errors = [np.abs(one.values() - series.slice_intersect(one).values()).mean() for one in forecasts]
    return median(seconds) * 1000, float(np.mean(errors))


if __name__ == "__main__":
    for name in MODELS:
        for form, kilobytes, milliseconds, error in rows(name):
            print(f"| {name} | {form} | {kilobytes:,.0f} | {milliseconds:.2f} | {error:.4f} |", flush=True)
