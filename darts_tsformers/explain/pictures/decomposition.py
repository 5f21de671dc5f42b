"""The parts of a forecast, one above the other."""

import xarray as xr
from matplotlib.axes import Axes

from darts_tsformers.checks import require_one_of
from darts_tsformers.explain.pictures.canvas import BLACK, BLUE, GREY, ORANGE, Canvas, figure_of, plain
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.stages import contributions, stage_names
from darts_tsformers.explain.ticks import date_ticks


def decomposition(e: Recorded, *, window: int = 0, component: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw trend and remainder of a forecast."""
    chosen, component = _chosen(
        e, "trend", "kind='decomposition' needs a model that forecasts a trend", window, component
    )
    at = chosen["time_start"].to_numpy()
    trend, whole = chosen["trend"].to_numpy(), chosen["forecast"].to_numpy()
    figure = figure_of(9, 5, ax)
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


def stages(e: Recorded, *, window: int = 0, component: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw a forecast, and what each stage of a hierarchy adds to it, the first one on top."""
    chosen, component = _chosen(e, "stages", "kind='stages' needs a hierarchy of stages", window, component)
    at, added = chosen["time_start"].to_numpy(), contributions(chosen)
    whole = chosen["level"].to_numpy() + sum(added)
    figure = figure_of(9, 3 + 1.1 * len(added), ax)
    upper, *others = figure.subplots(1 + len(added), 1, sharex=True)
    upper.plot(at, whole, color=BLACK, linewidth=1.4, label="forecast")
    upper.plot(at, chosen["level"].to_numpy(), color=GREY, linewidth=1.4, label="level of what was read")
    upper.set_ylabel(component, parse_math=False)
    for name, axes, part in zip(stage_names(chosen), others, added, strict=True):
        axes.axhline(0, color=GREY, linewidth=1)
        axes.plot(at, part, color=BLUE, linewidth=1.4)
        axes.set_ylabel(name)
        plain(axes)
    date_ticks(others[-1].xaxis, at)
    plain(upper)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    title = f"{e.model}: what each stage adds to the forecast from {e.window_names[window]}"
    figure.suptitle(title, fontsize=12, parse_math=False)
    return figure


def _chosen(e: Recorded, kind: str, needed: str, window: int, component: str | None) -> tuple[xr.Dataset, str]:
    """Return the parts of one forecast, and the component, the first one by default."""
    if kind not in e.parts:
        raise ValueError(f"{needed}; none was recorded")
    e.check_window(window)
    (part,) = e.parts[kind].values()
    components = list(part["component"].to_numpy())
    component = components[0] if component is None else component
    require_one_of(components, component=component)
    return part.isel(window=window, component=components.index(component), parameter=e.level), component
