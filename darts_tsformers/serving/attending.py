"""How evenly a forecaster looks at what it can see."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from darts_tsformers.recording import recording


def attention_entropies(forecast: Callable[[], Any]) -> list[float]:
    """Forecast, and return the entropy of the attention of each module that attends, in their order.

    It is a mean over heads and rows, relative to the largest that a row could have: 1 where everything that a row sees
    weighs alike, 0 where a single key has all the weight. There are none where the model has no attention.
    """
    with recording("attention") as record:
        forecast()
    found: dict[int, list[Tensor]] = {}
    for entry in record["attention"]:
        found.setdefault(id(entry.module), []).append(_relative_entropies(entry.tensors["weights"]))
    joined = [torch.cat(parts) for parts in found.values()]
    return [float(rows.mean()) for rows in joined if len(rows)]


def _relative_entropies(weights: Tensor) -> Tensor:
    """Return those of the rows that see more than one key, of weights of shape ``(B, h, L, M)``."""
    weights = weights.double()
    seen = (weights > 0).sum(-1)
    has_choice = seen > 1
    entropy = -torch.special.xlogy(weights, weights).sum(-1)
    return entropy[has_choice] / seen[has_choice].log()
