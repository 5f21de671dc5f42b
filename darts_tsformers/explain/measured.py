"""What a forecast rests on, as measured, and its ways to look at it."""

from dataclasses import dataclass

from matplotlib.axes import Axes

from darts_tsformers.explain.changes import Changes
from darts_tsformers.explain.pictures.canvas import Canvas
from darts_tsformers.explain.pictures.reliance import reliance
from darts_tsformers.explain.words import reliance_summary


@dataclass(frozen=True)
class Reliance(Changes):
    """How far a forecast moves when a variable is exchanged among windows, and how much its error grows.

    Attributes
    ----------
    model
        Name of the model's class.
    data
        Over ``(variable, part, component)``, in the units of the series: ``change``, the mean absolute change of the
        forecast, and ``error``, the mean absolute error, when that part of the variable is exchanged. Over
        ``component``: ``spread``, the change when everything is exchanged, and ``base_error``, the error when nothing
        is. Parts are ``"whole"``, ``"past"`` (look-back) and ``"horizon"``; where a variable has no such part there is
        NaN, as in errors where the truth is not known, and in all of what is alike in all windows. Over ``(variable,
        part)`` ``is_part`` tells which there are. ``kind`` says of which kind a variable is, and ``partner`` from
        which window, by position, each got it.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.explain import reliance
    >>> series = TimeSeries.from_values(np.sin(np.arange(90) / 2).astype(np.float32), columns=["wave"])
    >>> quiet = {"enable_progress_bar": False}
    >>> model = PatchTSTModel(24, 6, patch_length=6, stride=6, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> measured = reliance(model.fit(series, verbose=False), stride=5)
    >>> measured.data["change"].dims
    ('variable', 'part', 'component')
    >>> measured.to_frame()[["variable", "kind", "part"]].values.tolist()
    [['wave', 'target', 'whole'], ['wave', 'target', 'past']]
    >>> measured.to_frame()["relative_change"].round(3).tolist()  # there is nothing else to rest on
    [1.0, 1.0]
    """

    def summary(self) -> str:
        """Say in words what the forecast rests on."""
        return reliance_summary(self)

    def plot(self, component: str | None = None, *, top: int = 30, ax: Axes | None = None) -> Canvas | Axes:
        """Draw bars of the variables: how far the forecast moves, and how much its error grows.

        Parameters
        ----------
        component
            Name of a component of the target; by default all, as means of their shares if there are several.
        top
            How many variables to show.
        ax
            Axes of a grid, as from ``subplots``, whose place the picture takes; by default it is a figure of its own.

        Returns
        -------
        ``ax``, or the figure.

        Raises
        ------
        ValueError
            If there is no such component, or ``top`` is below 1.
        """
        drawn = reliance(self, component=component, top=top, ax=ax)
        return drawn if ax is None else ax

    def __str__(self) -> str:
        return self.summary()
