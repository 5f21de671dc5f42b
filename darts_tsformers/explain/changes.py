"""How far forecasts moved when variables were exchanged, as data: what words and pictures of it are made from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from darts_tsformers.checks import require_one_of


@dataclass(frozen=True)
class Changes:
    """The data of a :class:`~darts_tsformers.explain.Reliance`, which documents them."""

    model: str
    data: xr.Dataset

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each variable, part of it and component of the target.

        Columns: ``variable``, ``kind``, ``part``, ``component``; ``change`` and ``relative_change``, a share of what it
        is when everything is exchanged; ``error_growth`` and ``relative_error_growth``, a share of the error when
        nothing is. Shares of different variables need not sum to 1. A share of nothing is NaN, and so is all of a
        variable that is alike in all windows: nobody can tell.
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
        is_part = data["is_part"].broadcast_like(data["change"]).transpose(*dims).to_numpy().ravel()
        return frame[is_part].reset_index(drop=True)

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


def _share(part: xr.DataArray, whole: xr.DataArray) -> xr.DataArray:
    return part / whole.where(whole > 0, np.nan)
