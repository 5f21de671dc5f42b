"""One thread at a time, where Darts and torch keep in a place for all what is of one call."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class _Forecasts:
    """The lock of all forecasts of a process. A process that is forked has one of its own."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Begin with one that nobody holds."""
        self.lock = threading.RLock()


_forecasts = _Forecasts()


class OneAtATime:
    """What threads do with it one after the other.

    Darts writes the arguments of a forecast into the module, switches the module to evaluation and back, and keeps the
    trainer that made it; and it draws samples from torch's one generator, which it seeds before and restores
    afterwards. So the calls on one model wait for each other, trainings included, and forecasts for those of other
    models too; the operations within them use as many threads as torch is set to. What samples of one model cannot wait
    for is whoever else draws from that generator meanwhile, such as the training of another model: then they are others
    than their seed gives alone. Forecasts without samples are not concerned.
    """

    @property
    def _lock(self) -> threading.RLock:
        """The lock of this object in this process; copies and files have none."""
        process = os.getpid()
        return vars(self).setdefault(f"_lock_of_{process}", threading.RLock())

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is of this session."""
        given: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {name: value for name, value in given.items() if not name.startswith("_lock_of_")}


@contextmanager
def forecasting(model: OneAtATime) -> Iterator[None]:
    """Let no other thread train or forecast by a model inside the block, nor forecast by any other."""
    with model._lock, _forecasts.lock:
        yield


@contextmanager
def drawing() -> Iterator[None]:
    """Let no other thread forecast inside the block: it draws from torch's generator, as modules that are loaded do."""
    with _forecasts.lock:
        yield


def trains(method: Method) -> Method:
    """Let a method wait for those that other threads have called on its model."""

    @wraps(method)
    def waiting(self: OneAtATime, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return waiting  # type: ignore[return-value]


def forecasts(method: Method) -> Method:
    """Let a method wait for those that other threads have called on its model, and for forecasts by others."""

    @wraps(method)
    def waiting(self: OneAtATime, *args: Any, **kwargs: Any) -> Any:
        with forecasting(self):
            return method(self, *args, **kwargs)

    return waiting  # type: ignore[return-value]
