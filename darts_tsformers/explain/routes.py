"""Which experts the tokens of a layer go to."""

import pandas as pd

from darts_tsformers.explain.recorded import Recorded


def expert_shares(e: Recorded) -> pd.DataFrame:
    """Return what share of all routes leads to each expert: columns ``layer``, ``expert``, from 1 on, and ``share``.

    A token that goes to two experts takes two routes. Empty if no routing was recorded.
    """
    found = []
    for path, part in e.parts.get("routing", {}).items():
        taken = part["weights"] > 0
        routes = taken.sum([dim for dim in taken.dims if dim != "expert"]).to_numpy()
        total = max(int(routes.sum()), 1)
        found += [(path, expert, n / total) for expert, n in zip(part["expert"].to_numpy(), routes, strict=True)]
    return pd.DataFrame(found, columns=["layer", "expert", "share"])
