"""Mechanisms that carry a state: pure PyTorch, a parallel form to train with, a stepwise one to stream with."""

from darts_tsformers.recurrence.companion import CompanionSSM
from darts_tsformers.recurrence.companion_forms import (
    companion_kernel,
    companion_rollout,
    companion_state,
    companion_step,
)
from darts_tsformers.recurrence.companion_spectrum import CompanionMode, companion_modes

__all__ = [
    "CompanionMode",
    "CompanionSSM",
    "companion_kernel",
    "companion_modes",
    "companion_rollout",
    "companion_state",
    "companion_step",
]
