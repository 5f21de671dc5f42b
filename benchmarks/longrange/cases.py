"""The cases of the long-range suite: every registered mechanism as by default, some also given the season."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.longrange import training
from benchmarks.longrange.tasks import SEASONAL, TASKS, season
from darts_tsformers.attention import attention_names, build_attention

COST = "cost"
"""In the place of a task: what a step of training takes."""
LENGTHS = (1024, 4096, 16384)
FORMS = [*((name, None) for name in attention_names()), ("local", "dilation"), ("sparse", "stride")]
"""Mechanisms, and the argument that is the season, if any."""


class Case(NamedTuple):
    """A mechanism on a task, or what a step of training with it takes."""

    length: int
    causal: bool
    task: str
    mechanism: str
    season_as: str | None

    @property
    def name(self) -> str:
        """What the results are stored as."""
        season_as = f" by {self.season_as}" if self.season_as else ""
        return f"{self.length}, {self.task}, {self.mechanism}{season_as}{', causal' if self.causal else ''}"

    def run(self) -> dict[str, Any]:
        """Return what was measured, with what it was measured of."""
        arguments = {self.season_as: season(self.task, self.length)} if self.season_as else {}
        attention = (self.mechanism, arguments)
        if self.task == COST:
            found = training.cost(attention, self.length, causal=self.causal)
        else:
            found = training.error(attention, self.task, self.length, causal=self.causal)
        return self._asdict() | found


def cases() -> Iterator[Case]:
    """Go through lengths, short ones first; at each through what is not causal, then what is."""
    for length in LENGTHS:
        for causal in (False, True):
            for task in (COST, *TASKS):
                for name, season_as in FORMS:
                    has_form = not causal or build_attention(name).supports_causal
                    has_season = season_as is None or task in (COST, *SEASONAL)
                    if has_form and has_season:
                        yield Case(length, causal, task, name, season_as)
