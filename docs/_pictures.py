"""Pictures of real forecasts and explanations: ``python -m docs._pictures`` draws them anew, in about five minutes.

The series is the hourly demand for electricity in England and Wales over twelve weeks of the summer of 2000. Names on
the command line, such as ``patchtst``, draw those alone.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.utils.likelihood_models.torch import QuantileRegression
from matplotlib.figure import Figure

import darts_tsformers
from darts_tsformers.catalogue import forecasters
from darts_tsformers.explain import explain
from darts_tsformers.explain.pictures.canvas import BLACK, BLUE, figure_of, plain

IMAGES = Path(__file__).parent / "images"
DATA = Path(__file__).parents[1] / "tests" / "data"
DAY, WEEK = 24, 168
TRAINING = {
    "batch_size": 64,
    "random_state": 0,
    "pl_trainer_kwargs": {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False},
}
EXPLAINED = {
    "aaren": "attention",
    "autoformer": "lags",
    "autotcl": "mask",
    "autotimes": "attention",
    "chimera": "decomposition",
    "fedformer": "lags",
    "gpd": "guidance",
    "gpht": "stages",
    "informer": "attention",
    "lmuformer": "memory",
    "log_sparse": "lags",
    "moirai_moe": "routing",
    "patchtsmixer": "gates",
    "patchtst": "attention",
    "spacetime": "responses",
    "tempo": "stages",
    "time_llm": "prototypes",
    "time_moe": "routing",
    "tsdiff": "spread",
}
"""By the name of the page, the picture of an explanation of a day's forecast of the demand."""
OF_VARIABLES = {
    "itransformer": "attention",
    "mambamixer": "attention",
    "regenn": "attention",
    "smamba": "importance",
    "tft": "importance",
    "timecma": "attention",
}
"""The same of models that look at variables: a gas furnace, whose gas rate is known ahead."""
SIZES: dict[str, dict[str, Any]] = {
    "autotimes": {"backbone": "random", "backbone_sizes": {"n_layers": 2, "d_model": 64, "n_heads": 4}}
}
"""Where there is nothing to see of the sizes that a model starts from."""


def demand() -> TimeSeries:
    """Return the demand in gigawatts."""
    values = pd.read_csv(DATA / "taylor.csv")["Y"] / 1000
    values.index = pd.date_range("2000-06-05", periods=len(values), freq="30min")
    return TimeSeries.from_series(values.resample("h").mean().rename("demand").astype("float32"))


def forecast() -> Figure:
    """Draw a week that the model has not seen, forecast at once, with what came."""
    series = demand()
    model = darts_tsformers.PatchTSTModel(
        2 * WEEK,
        WEEK,
        patch_length=DAY,
        stride=DAY // 2,
        d_model=32,
        d_ff=64,
        n_epochs=20,
        likelihood=QuantileRegression([0.05, 0.5, 0.95]),
        optimizer_kwargs={"lr": 2e-3},
        **TRAINING,
    )
    model.fit(series[:-WEEK], verbose=False)
    low, median, high = model.predict(WEEK, predict_likelihood_parameters=True, verbose=False).values().T
    shown, ahead = series[-3 * WEEK :], series[-WEEK:].time_index
    figure = figure_of(10, 3.2)
    axes = figure.subplots()
    axes.plot(shown.time_index, shown.values(), color=BLACK, linewidth=1.2, label="observed")
    axes.fill_between(ahead, low, high, color=BLUE, alpha=0.25, linewidth=0, label="90 % interval")
    axes.plot(ahead, median, color=BLUE, linewidth=1.8, label="forecast")
    axes.axvline(ahead[0], color="#8c8c8c", linewidth=0.8)
    axes.set(ylabel="demand, GW", title="Electricity demand of England and Wales, the last week forecast by PatchTST")
    axes.legend(ncols=3, loc="upper left", frameon=False)
    axes.set_ylim(top=shown.values().max() * 1.12)
    plain(axes)
    return figure


def explained(name: str) -> Figure:
    """Draw what the model of a page looked at."""
    of_variables = name in OF_VARIABLES
    model_class = forecasters()[name].load()
    lookback, horizon = (24, 8) if of_variables else (WEEK, DAY)
    sizes = model_class.starting_sizes(lookback, DAY, n_windows=500) | SIZES.get(name, {})
    model = model_class(lookback, horizon, n_epochs=5, **sizes, **TRAINING)
    if of_variables:
        series, known = furnace()
        model.fit(series[:-horizon], future_covariates=known, verbose=False)
        return explain(model).plot(OF_VARIABLES[name])
    model.fit(demand(), stride=6, verbose=False)
    return explain(model).plot(EXPLAINED[name])


def furnace() -> tuple[TimeSeries, TimeSeries]:
    """Return the share of carbon dioxide with noise beside it, and the gas rate."""
    table = pd.read_csv(DATA / "gasrate_co2.csv", dtype="float32")
    noise = np.random.default_rng(0).normal(size=len(table)).astype("float32")
    values = np.column_stack([table["CO2%"], noise])
    return TimeSeries.from_values(values, columns=["CO2", "noise"]), TimeSeries.from_values(
        table["GasRate(ft3/min)"].to_numpy(), columns=["gas rate"]
    )


PICTURES: dict[str, Callable[[], Figure]] = {
    "forecast": forecast,
    **{f"models/{name}": (lambda name=name: explained(name)) for name in sorted(EXPLAINED | OF_VARIABLES)},
}


def main(wanted: list[str]) -> None:
    """Draw all pictures, or those whose names end as asked for."""
    for name, draw in PICTURES.items():
        if not wanted or name.rpartition("/")[2] in wanted:
            options: dict[str, Any] = {"metadata": {"Software": None}, "pil_kwargs": {"optimize": True}}
            draw().savefig(IMAGES / f"{name}.png", dpi=90, **options)
            print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
