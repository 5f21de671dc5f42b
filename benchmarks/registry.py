"""All benchmarks by name. A new one is an entry in the list of its file, and its file one here."""

from benchmarks.accuracy import choice, long_horizon, mechanisms, parity, pretraining, prices, recipe, slice, verdict
from benchmarks.boards import trials as boards
from benchmarks.core.speed import Speed
from benchmarks.core.trial import Trials
from benchmarks.longrange import suite
from benchmarks.speed import (
    attention,
    auto_correlation,
    compiled,
    decomposition_models,
    efficient_attention,
    fourier,
    informer,
    panels,
    peers,
    precision,
    profiles,
    recording,
    scaling,
    tft,
    users_path,
)

MODULES = [
    attention,
    auto_correlation,
    efficient_attention,
    fourier,
    informer,
    decomposition_models,
    tft,
    peers,
    profiles,
    precision,
    compiled,
    users_path,
    panels,
    scaling,
    recording,
    long_horizon,
    choice,
    prices,
    recipe,
    slice,
    parity,
    pretraining,
    verdict,
    boards,
    suite,
    mechanisms,
]

BENCHMARKS: dict[str, Speed | Trials] = {one.name: one for module in MODULES for one in module.BENCHMARKS}
