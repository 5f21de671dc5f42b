"""What the workflow changes in the process it runs in, for as long as it needs it: log levels, warnings, threads."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

_TALKATIVE = ("darts", "lightning", "lightning.fabric", "lightning.pytorch", "lightning_fabric", "pytorch_lightning")


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Show no warnings, and only errors in the logs of the libraries underneath; restore both afterwards."""
    loggers = [
        logger
        for name, logger in logging.Logger.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and name.startswith(_TALKATIVE)
    ]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def few_threads(n_components: int) -> Iterator[None]:
    """Let torch use one thread for each eight components, at least one, and BLAS one; restore both afterwards.

    Networks and baselines are small: more threads wait for each other longer than they compute, by far so on a busy
    machine.
    """
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(min(before, max(1, n_components // 8)))
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
