"""The errors of a model and of naive forecasts, as bars."""

from matplotlib.axes import Axes

from darts_tsformers.diagnosis.figures import Figures
from darts_tsformers.explain.pictures.canvas import BLUE, GREY, axes_or_new, plain


def bars(figures: Figures, ax: Axes | None) -> Axes:
    """Draw a bar for each mean absolute error, the model on top."""
    errors = {"the model": figures.mae, "repeating the last value": figures.mae_last_value}
    if figures.season > 1:
        errors[f"repeating the last {figures.season} steps"] = figures.mae_seasonal
    ax = axes_or_new(ax, 7, 2.2)
    ax.barh(list(errors), list(errors.values()), color=[BLUE, *[GREY] * (len(errors) - 1)])
    ax.invert_yaxis()
    ax.set_xlabel(f"mean absolute error over {figures.n_windows} windows")
    plain(ax)
    return ax
