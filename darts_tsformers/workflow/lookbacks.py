"""Which look-back: a few are trained for a while, and the one with the lowest validation loss stays."""

from collections.abc import Sequence
from dataclasses import replace

from tqdm.auto import tqdm

from darts_tsformers.workflow.settings import MIN_LOOKBACK, Settings
from darts_tsformers.workflow.table import Table
from darts_tsformers.workflow.training import train

_SHARE = 5
_FEWEST_EPOCHS = 3


def choose_lookback(scaled: Table, candidates: Sequence[Settings], *, verbose: bool = False) -> Settings:
    """Train each candidate for a fifth of its epochs, and return the one with the lowest validation loss.

    Candidates differ in the look-back, and share the windows that are validated. A single one is not trained.
    """
    if len(candidates) == 1:
        return candidates[0]
    bar = tqdm(candidates, desc="look-back", unit="trial", leave=False, disable=not verbose)
    losses = [train(scaled, _short(candidate)).loss for candidate in bar]
    return candidates[losses.index(min(losses))]


def lookbacks(settings: Settings) -> list[int]:
    """Return the look-backs to try: the one of the settings, half of it and a quarter, in whole seasons if it is.

    The longest comes first, and stays where others are only as good.
    """
    lookback, season = settings.lookback, settings.season
    unit = season if lookback >= season else 1
    shorter = (lookback // part // unit * unit for part in (2, 4))
    return list(dict.fromkeys([lookback, *(one for one in shorter if one >= MIN_LOOKBACK)]))


def _short(settings: Settings) -> Settings:
    return replace(settings, epochs=min(settings.epochs, max(settings.epochs // _SHARE, _FEWEST_EPOCHS)))
