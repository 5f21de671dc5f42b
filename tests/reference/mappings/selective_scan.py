"""The selective scan as ``mambapy`` and ``transformers`` have it: the same letters, ``u`` for the input."""

from typing import Any

from torch import Tensor

from darts_tsformers.recurrence import selective_scan


def reproduce(golden: Any) -> dict[str, Tensor]:
    """Compute the outputs of a golden file from its inputs."""
    inputs = dict(golden.inputs)
    y, last_state = selective_scan(inputs.pop("u"), **inputs)
    return {"y": y, "last_state": last_state}
