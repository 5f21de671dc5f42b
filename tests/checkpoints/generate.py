"""Write a small checkpoint of each model, with a forecast of it: ``python -m tests.checkpoints.generate 0.1``.

The files of a version are never written anew: what was saved by it has to load, and forecast the same, ever after. A
documented breaking change adds a folder; that alone may leave an older one out of the test.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers.models import TSFormerModel
from tests.contracts.cases import CASES, KINDS, Case, Data, H, make_data

HERE = Path(__file__).parent


def write_inputs(folder: Path) -> None:
    """Keep the data as numbers: no generator of random ones has to stay the same."""
    data = make_data(2, KINDS, length=31)
    named = {"series": data.series, **data.covariates()}
    values = {name: series.values() for name, series in named.items()}
    np.savez(folder / "inputs.npz", **values, static=data.series.static_covariates_values())


def inputs(folder: Path) -> Data:
    """Return the data the models were trained on."""
    with np.load(folder / "inputs.npz") as kept:
        values = dict(kept)
    static = pd.DataFrame(values.pop("static"), columns=["s0", "s1"])

    def series(name: str) -> TimeSeries:
        days = pd.date_range("2001-03-05", periods=len(values[name]), freq="D")
        return TimeSeries(days, values[name], components=[f"{name[0]}{i}" for i in range(values[name].shape[1])])

    return Data(
        series("series").with_static_covariates(static), *(series(f"{kind}_covariates") for kind in ("past", "future"))
    )


def forecast(model: TSFormerModel, data: Data) -> np.ndarray:
    prediction = model.predict(H + 2, data.series, **data.covariates(), verbose=False)
    assert isinstance(prediction, TimeSeries)
    return prediction.values()


def write(case: Case, folder: Path) -> None:
    """Save a model trained for one epoch, without its training series and its place, and what it forecasts."""
    data = inputs(folder)
    model = case.model(work_dir="darts_logs").fit(data.series, **data.covariates())
    model.save(folder / f"{case.name}.pt", clean=True)
    np.save(folder / f"{case.name}.npy", forecast(model, data))


if __name__ == "__main__":
    new = HERE / sys.argv[1]
    new.mkdir()
    write_inputs(new)
    for each in CASES:
        write(each, new)
