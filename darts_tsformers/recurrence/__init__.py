"""Mechanisms that carry a state: pure PyTorch, a parallel form to train with, a stepwise one to stream with."""

from darts_tsformers.recurrence.companion import CompanionSSM
from darts_tsformers.recurrence.companion_forms import (
    companion_kernel,
    companion_rollout,
    companion_state,
    companion_step,
)
from darts_tsformers.recurrence.companion_spectrum import CompanionMode, companion_modes, rollout_waves
from darts_tsformers.recurrence.headwise import HeadwiseState, headwise_recurrence
from darts_tsformers.recurrence.hidden_attention import hidden_attention
from darts_tsformers.recurrence.legendre import LegendreMemory
from darts_tsformers.recurrence.legendre_forms import (
    legendre_matrices,
    legendre_memory,
    legendre_response,
    legendre_window,
)
from darts_tsformers.recurrence.linear_recurrence import linear_recurrence
from darts_tsformers.recurrence.prefix_attention import (
    PrefixState,
    advance_prefix_attention,
    begin_prefix_attention,
    last_prefix_weights,
    prefix_attention,
    prefix_weights,
)
from darts_tsformers.recurrence.s4 import s4_kernel, s4_legs, s4_read, two_way, two_way_response
from darts_tsformers.recurrence.selective_scan import selective_scan, selective_step
from darts_tsformers.recurrence.two_dimensional import (
    GridState,
    advance_two_dimensional,
    two_dimensional_closed_loop,
    two_dimensional_scan,
)

__all__ = [
    "CompanionMode",
    "CompanionSSM",
    "GridState",
    "HeadwiseState",
    "LegendreMemory",
    "PrefixState",
    "advance_prefix_attention",
    "advance_two_dimensional",
    "begin_prefix_attention",
    "companion_kernel",
    "companion_modes",
    "companion_rollout",
    "companion_state",
    "companion_step",
    "headwise_recurrence",
    "hidden_attention",
    "last_prefix_weights",
    "legendre_matrices",
    "legendre_memory",
    "legendre_response",
    "legendre_window",
    "linear_recurrence",
    "prefix_attention",
    "prefix_weights",
    "rollout_waves",
    "s4_kernel",
    "s4_legs",
    "s4_read",
    "selective_scan",
    "selective_step",
    "two_dimensional_closed_loop",
    "two_dimensional_scan",
    "two_way",
    "two_way_response",
]
