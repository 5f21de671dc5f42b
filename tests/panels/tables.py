"""Tables in long format to make panels of, and the series that they hold."""

import numpy as np
import pandas as pd
from darts import TimeSeries

ROLES = {"target": ["units", "price"], "past": ["visits"], "future": ["promo"], "static": ["region", "size"]}
NAMED = {"id": "shop", "time": "day", **ROLES}


def untidy(n: int = 7, *, seed: int = 0, least: int = 11, most: int = 29, future: int = 5) -> pd.DataFrame:
    """Return ``n`` series of different lengths and starts, with gaps in values, in no order."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(n):
        length = int(rng.integers(least, most))
        days = pd.date_range("2024-01-01", periods=length + future) + pd.Timedelta(days=int(rng.integers(0, 13)))
        part = pd.DataFrame({"shop": f"s{rng.permutation(100)[0]:02d}-{i}", "day": days})
        for name in ("units", "price", "visits"):
            part[name] = rng.normal(size=length + future).cumsum().astype(np.float32)
            part.loc[rng.integers(0, length - 1, size=2), name] = np.nan
            part.loc[length:, name] = np.nan
        part["promo"] = rng.integers(0, 2, size=length + future).astype(np.float32)
        part["region"] = ["north", "south", "east"][i % 3]
        part["size"] = np.float32(i % 5)
        parts.append(part)
    return pd.concat(parts).sample(frac=1, random_state=seed).reset_index(drop=True)


def series_of(table: pd.DataFrame, regions: list[str]) -> dict[str, tuple[TimeSeries, TimeSeries, TimeSeries]]:
    """Return target, past and future covariates of each series, made by pandas alone."""
    found = {}
    for shop, rows in table.groupby("shop"):
        rows = rows.sort_values("day").set_index("day")
        rows.index.freq = "D"
        observed = rows.loc[: rows[["units", "price"]].dropna(how="all").index[-1]]
        static = pd.DataFrame({"region": [float(regions.index(rows.region.iloc[0]))], "size": [rows["size"].iloc[0]]})
        target = TimeSeries.from_dataframe(observed[["units", "price"]], static_covariates=static.astype("float32"))
        found[shop] = (target, TimeSeries.from_dataframe(rows[["visits"]]), TimeSeries.from_dataframe(rows[["promo"]]))
    return found
