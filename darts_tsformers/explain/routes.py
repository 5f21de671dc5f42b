"""Which experts the tokens of a layer go to, and which prompts come before the parts of a series."""

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


def prompt_shares(e: Recorded) -> pd.DataFrame:
    """Return what share each prompt has in all that were chosen: columns ``part``, ``prompt``, ``share``.

    Prompts count from 1. Empty if none were chosen.
    """
    found = []
    for part in e.parts.get("prompts", {}).values():
        shares = part["weights"].mean([dim for dim in part["weights"].dims if dim not in ("part", "prompt")])
        for row in shares:
            found += [(str(row["part"].item()), int(one["prompt"]), float(one)) for one in row]
    return pd.DataFrame(found, columns=["part", "prompt", "share"])
