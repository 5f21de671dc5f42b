"""What pulled paths while they were drawn, how far they lie apart, and what views keep, as lines over time."""

from matplotlib.axes import Axes

from darts_tsformers.checks import require_one_of
from darts_tsformers.explain.pictures.canvas import BLUE, Canvas, chosen_layer, figure_of, plain
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.ticks import date_ticks


def guidance(e: Recorded, *, window: int = 0, component: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw how hard each step of the look-back pulled the paths of a component."""
    return _line(e, "guidance", "a network that draws paths", "pull on the paths", window, component, ax)


def spread(e: Recorded, *, window: int = 0, component: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw how far the paths of a component lie apart at each step of the forecast."""
    return _line(e, "spread", "a network that draws paths", "deviation of the paths", window, component, ax)


def mask(e: Recorded, *, window: int = 0, component: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw how likely each step of the look-back of a component is kept in a view."""
    return _line(e, "mask", "a network that learns views by contrast", "chance to be kept", window, component, ax)


def _line(
    e: Recorded, kind: str, needs: str, words: str, window: int, component: str | None, ax: Axes | None
) -> Canvas:
    path, part = chosen_layer(e, kind, needs, None)
    e.check_window(window)
    names = [str(one) for one in part["component"].to_numpy()]
    component = names[0] if component is None else component
    require_one_of(names, component=component)
    chosen = part.isel(window=window, component=names.index(component))
    figure = figure_of(9, 4, ax)
    axes = figure.subplots()
    at = chosen["time_end"].to_numpy()
    (values,) = chosen.data_vars.values()
    axes.plot(at, values.to_numpy(), color=BLUE, linewidth=1.4, marker="o", markersize=3)
    axes.set_ylim(bottom=0)
    date_ticks(axes.xaxis, at)
    axes.set_ylabel(words)
    plain(axes)
    figure.suptitle(f"{e.model}: {path}\nwindow {e.window_names[window]}, {component}", fontsize=12, parse_math=False)
    return figure
