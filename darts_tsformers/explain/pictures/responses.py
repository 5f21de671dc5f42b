"""What the models of a layer answer to a pulse, as lines by the steps since."""

from matplotlib.axes import Axes

from darts_tsformers.explain.pictures.canvas import GREY, Canvas, chosen_layer, figure_of, plain, shades
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.windows import duration


def responses(e: Recorded, *, layer: str | None = None, top: int = 8, ax: Axes | None = None) -> Canvas:
    """Draw the impulse responses of a layer, of the models whose responses are largest."""
    path, part = chosen_layer(e, "responses", "a layer with impulse responses", layer)
    response = part["response"].isel(window=0)
    largest = (response**2).sum("lag").to_numpy().argsort(kind="stable")[::-1][:top]
    figure = figure_of(9, 4, ax)
    axes = figure.subplots()
    axes.axhline(0, color=GREY, linewidth=1)
    for kernel, colour in zip(largest, shades(len(largest)), strict=True):
        number = response["kernel"].to_numpy()[kernel]
        axes.plot(response["lag"], response.isel(kernel=kernel), color=colour, linewidth=1.2, label=str(number))
    axes.set_xlabel(f"steps since the pulse (one step: {duration(1, e.freq)})")
    axes.set_ylabel("response")
    plain(axes)
    figure.legend(loc="outside right upper", title="model", frameon=False)
    figure.suptitle(f"{e.model}: {path}\nimpulse responses, the largest of {part.sizes['kernel']}", fontsize=12)
    return figure
