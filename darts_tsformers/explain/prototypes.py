"""Which prototypes the tokens of a layer attend to."""

import pandas as pd

from darts_tsformers.explain.recorded import Recorded


def prototype_shares(e: Recorded) -> pd.DataFrame:
    """Return what share of the attention goes to each prototype: columns ``layer``, ``prototype`` and ``share``.

    Layer by layer, the largest first. Empty if no attention to prototypes was recorded.
    """
    found = []
    for path, part in e.parts.get("prototypes", {}).items():
        weights = part["weights"]
        shares = weights.mean([dim for dim in weights.dims if dim != "prototype"]).to_numpy()
        order = (-shares).argsort(kind="stable")
        found += [(path, str(part["prototype"].to_numpy()[i]), float(shares[i])) for i in order]
    return pd.DataFrame(found, columns=["layer", "prototype", "share"])
