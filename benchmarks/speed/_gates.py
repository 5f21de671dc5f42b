"""What must hold before a case is timed: a time for another result would mean nothing.

A gate takes no arguments and raises where something differs. Models and mechanisms of ours are held to the figures of
:mod:`benchmarks.accuracy.parity`, by the bounds of the tests; forms that are measured beside them are compared here.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor

from benchmarks.accuracy import parity

Gate = Callable[[], None]
DIFFERENCES = {
    name: (case, held.bounds["difference"]) for held in parity.HELD for name, case in held.trials.cases.items()
}


def agree(*names: str) -> None:
    """Raise where one of these differences is above its bound, on the processor.

    Raises
    ------
    AssertionError
        If one is, or is not a number.
    """
    with torch.device("cpu"):
        for name in names:
            case, bound = DIFFERENCES[name]
            found = case()["difference"]
            if not found <= bound:
                raise AssertionError(f"{name}: the difference is {found:.3g}, at most {bound:g} allowed")


def references(model: str) -> Gate:
    """Return the gate that a model agrees with all that it is compared with."""
    return partial(agree, *(name for name in parity.REFERENCES if name.startswith(f"{model}-")))


def each(*gates: Gate) -> None:
    """Pass several gates."""
    for gate in gates:
        gate()


def same(ours: Tensor, theirs: Tensor, inputs: Sequence[Tensor]) -> None:
    """Compare outputs, and the gradients of what both were made of."""
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    probe = torch.linspace(-1, 1, ours.numel()).view_as(ours)
    for pair in zip(*(torch.autograd.grad(out, inputs, probe) for out in (ours, theirs)), strict=True):
        torch.testing.assert_close(*pair, rtol=1e-3, atol=1e-4)


MODELS: dict[str, Gate] = {
    "PatchTST": references("patchtst"),
    "iTransformer": references("itransformer"),
    "Informer": references("informer"),
    "LogSparse": partial(agree, "LogSparse", "LogSparse, causal, restarts"),
    "Autoformer": references("autoformer"),
    "FEDformer": references("fedformer"),
    "TFT": references("tft"),
}
"""LogSparse has no other implementation to be compared with: its mechanism is."""


def by_model(names: Iterable[str]) -> dict[str, Gate]:
    """Return for each case the gate of the model that its name begins with."""
    return {name: MODELS[name.split(",")[0]] for name in names}
