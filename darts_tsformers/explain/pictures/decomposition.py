"""The parts of a forecast, one above the other."""

from matplotlib.figure import Figure

from darts_tsformers.checks import require_one_of
from darts_tsformers.explain.pictures.canvas import BLACK, BLUE, GREY, ORANGE, figure_of, plain
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.ticks import date_ticks


def decomposition(e: Recorded, *, window: int = 0, component: str | None = None) -> Figure:
    """Draw trend and remainder of a forecast."""
    if "trend" not in e.parts:
        raise ValueError("kind='decomposition' needs a model that forecasts a trend; none was recorded")
    e.check_window(window)
    ((_, part),) = e.parts["trend"].items()
    components = list(part["component"].to_numpy())
    component = components[0] if component is None else component
    require_one_of(components, component=component)
    chosen = part.isel(window=window, component=components.index(component), parameter=e.level)
    at = chosen["time_start"].to_numpy()
    trend, whole = chosen["trend"].to_numpy(), chosen["forecast"].to_numpy()
    figure = figure_of(9, 5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.plot(at, whole, color=BLACK, linewidth=1.4, label="forecast")
    upper.plot(at, trend, color=ORANGE, linewidth=1.6, label="trend")
    upper.set_ylabel(component, parse_math=False)
    lower.axhline(0, color=GREY, linewidth=1)
    lower.plot(at, whole - trend, color=BLUE, linewidth=1.4, label="seasonal part: forecast less trend")
    lower.set_ylabel("seasonal")
    date_ticks(lower.xaxis, at)
    for axes in (upper, lower):
        plain(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{e.model}: parts of the forecast from {e.window_names[window]}", fontsize=12, parse_math=False)
    return figure
