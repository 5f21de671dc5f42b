"""What was written to a memory, and what it still holds, as lines over time."""

from matplotlib.axes import Axes

from darts_tsformers.checks import require_one_of
from darts_tsformers.explain.pictures.canvas import BLUE, ORANGE, Canvas, chosen_layer, figure_of, plain
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.ticks import date_ticks


def memory(
    e: Recorded,
    *,
    layer: str | None = None,
    window: int = 0,
    component: str | None = None,
    memory: int = 1,
    ax: Axes | None = None,
) -> Canvas:
    """Draw what was written to one memory of a layer, and what it holds after the last step."""
    path, part = chosen_layer(e, "memory", "a layer with a memory", layer)
    e.check_window(window)
    chosen = part.isel(window=window)
    of = ""
    if "component" in part.dims:
        names = [str(name) for name in part["component"].to_numpy()]
        component = names[0] if component is None else component
        require_one_of(names, component=component)
        chosen, of = chosen.isel(component=names.index(component)), f", {component}"
    if not 1 <= memory <= part.sizes["memory"]:
        raise ValueError(f"memory={memory} must be from 1 to {part.sizes['memory']}")
    chosen = chosen.isel(memory=memory - 1)
    figure = figure_of(9, 4, ax)
    axes = figure.subplots()
    at = chosen["time_end"].to_numpy()
    for name, colour, words in (("written", BLUE, "written"), ("held", ORANGE, "held after the last step")):
        axes.plot(at, chosen[name].to_numpy(), color=colour, linewidth=1.4, marker="o", markersize=3, label=words)
    date_ticks(axes.xaxis, at)
    axes.set_ylabel(f"memory {memory}")
    plain(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(f"{e.model}: {path}\nwindow {e.window_names[window]}{of}", fontsize=12, parse_math=False)
    return figure
