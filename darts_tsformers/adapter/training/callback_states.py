"""What a training leaves in the callbacks of the user, and that the next one does not begin with it."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from darts.models.forecasting.torch_forecasting_model import MixedCovariatesTorchModel
from pytorch_lightning import Callback

BEFORE = "_before_training"
"""Attribute of a callback that has trained: what its last training changed, as it was before; copies have it too."""


class TrainedAnew(MixedCovariatesTorchModel):
    """A model whose trainings each begin with callbacks as they were given."""

    def _train(self, *args: Any, **kwargs: Any) -> None:
        with begun_anew(self.trainer_params.get("callbacks") or []):
            super()._train(*args, **kwargs)


@contextmanager
def begun_anew(callbacks: Sequence[Callback]) -> Iterator[None]:
    """Begin a training with callbacks as they were before the one before; they keep what this one leaves.

    What their owner has set in between stays, unless the training before had changed it too; and so do lists, sets and
    dicts, which are notes of all trainings, but for those that are of the ``state_dict`` of a callback. A training that
    goes on from a checkpoint takes the state from there, after this.
    """
    for callback in callbacks:
        _restore(callback)
    states = [copy.deepcopy(vars(callback)) for callback in callbacks]
    try:
        yield
    finally:
        for callback, state in zip(callbacks, states, strict=True):
            _note(callback, state)


def _restore(callback: Callback) -> None:
    changed, added = vars(callback).pop(BEFORE, ({}, []))
    vars(callback).update(copy.deepcopy(changed))
    for name in added:
        vars(callback).pop(name, None)


def _note(callback: Callback, state: dict[str, Any]) -> None:
    now, of_training = vars(callback), callback.state_dict()
    changed = {
        name: value
        for name, value in state.items()
        if (name in of_training or not isinstance(value, list | dict | set)) and not _is_same(value, now.get(name))
    }
    added = [name for name in now if name not in state]
    if changed or added:
        now[BEFORE] = (changed, added)


def _is_same(one: Any, other: Any) -> bool:
    """Say whether two values are known to be the same; what cannot be compared is not."""
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except (ValueError, RuntimeError, TypeError):
        return False
