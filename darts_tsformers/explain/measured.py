"""What a forecast rests on, as measured, and the ways to look at it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from darts_tsformers.checks import require_one_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Reliance:
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
        NaN, as in errors where the truth is not known. ``kind`` says of which kind a variable is, and ``partner`` from
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

    model: str
    data: xr.Dataset

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each variable, part of it and component of the target.

        Columns: ``variable``, ``kind``, ``part``, ``component``; ``change`` and ``relative_change``, a share of what it
        is when everything is exchanged; ``error_growth`` and ``relative_error_growth``, a share of the error when
        nothing is. Shares of different variables need not sum to 1. A share of nothing is NaN.
        """
        data = self.data
        growth = data["error"] - data["base_error"]
        columns = xr.Dataset(
            {
                "change": data["change"],
                "relative_change": _share(data["change"], data["spread"]),
                "error_growth": growth,
                "relative_error_growth": _share(growth, data["base_error"]),
            }
        )
        dims = ("variable", "part", "component")
        kinds, names = data["kind"].to_numpy(), data["variable"].to_numpy()
        at = pd.MultiIndex.from_product([range(len(names)), *(data[dim].to_numpy() for dim in dims[1:])], names=dims)
        frame = pd.DataFrame({name: one.to_numpy().ravel() for name, one in columns.items()}, index=at).reset_index()
        position = frame["variable"].to_numpy()
        frame["variable"] = names[position]
        frame.insert(1, "kind", kinds[position])
        return frame[frame["change"].notna()].reset_index(drop=True)

    def ranking(self, part: str = "whole", component: str | None = None) -> pd.DataFrame:
        """Return the variables that have a part, the one the forecast rests on most first.

        Columns as in :meth:`to_frame`, for one component of the target. For several they are the means of the shares,
        as units may differ, and ``change`` and ``error_growth`` are left out.

        Parameters
        ----------
        part
            ``"whole"``, ``"past"`` or ``"horizon"``.
        component
            Name of a component; all by default.

        Raises
        ------
        ValueError
            If there is no such part or component.
        """
        parts, components = self.data["part"].to_numpy().tolist(), self.data["component"].to_numpy().tolist()
        require_one_of(parts, part=part)
        if component is not None:
            require_one_of(components, component=component)
        chosen = components if component is None else [component]
        frame = self.to_frame()
        frame = frame[(frame["part"] == part) & frame["component"].isin(chosen)]
        if len(chosen) > 1:
            shares = ["relative_change", "relative_error_growth"]
            frame = frame.groupby(["variable", "kind"], sort=False)[shares].mean().reset_index()
            return frame.sort_values("relative_change", ascending=False, ignore_index=True, kind="stable")
        frame = frame.drop(columns=["part", "component"])
        return frame.sort_values("change", ascending=False, ignore_index=True, kind="stable")

    def summary(self) -> str:
        """Say in words what the forecast rests on."""
        from darts_tsformers.explain.words import reliance_summary

        return reliance_summary(self)

    def plot(self, component: str | None = None, *, top: int = 30) -> "Figure":
        """Draw bars of the variables: how far the forecast moves, and how much its error grows.

        Parameters
        ----------
        component
            Name of a component of the target; by default all, as means of their shares if there are several.
        top
            How many variables to show.

        Raises
        ------
        ValueError
            If there is no such component, or ``top`` is below 1.
        """
        from darts_tsformers.explain.pictures.reliance import reliance

        return reliance(self, component=component, top=top)

    def __str__(self) -> str:
        return self.summary()


def _share(part: xr.DataArray, whole: xr.DataArray) -> xr.DataArray:
    return part / whole.where(whole > 0, np.nan)
