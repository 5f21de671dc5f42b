"""Results that are held to: what a case finds now against what its file says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.core.goals import Figures
from benchmarks.core.trial import Trials


@dataclass(frozen=True)
class Held:
    """Trials whose figures must stay what they are. A figure that is not named below must stay exactly."""

    trials: Trials
    moves: Mapping[str, float] = field(default_factory=dict, hash=False)
    """By figure: the share of the stored one by which it may move."""
    bounds: Mapping[str, float] = field(default_factory=dict, hash=False)
    """By figure: what it may be at most, whatever is stored."""

    def faults(self, case: str, found: Mapping[str, Any], stored: Figures) -> list[str]:
        """Return a sentence for each figure of a case that is not as stored, or not within its bound."""
        kept = stored.get("cases", {}).get(case, {}).get("result", {})
        named = [*found, *(name for name in kept if name not in found)]
        wrong = [what for name in named if (what := self._fault(name, found.get(name), kept.get(name)))]
        return [f"{self.trials.name}, {case}: {what}. {self._remedy}" for what in wrong]

    def unpaired(self, stored: Figures) -> list[str]:
        """Return a sentence for each case without stored figures, and for each stored one that is no case."""
        kept = {name for name, outcome in stored.get("cases", {}).items() if "result" in outcome}
        missing = [f"{name!r} has no figures stored" for name in self.trials.cases if name not in kept]
        left = [
            f"{name!r} is stored but is no case" for name in stored.get("cases", {}) if name not in self.trials.cases
        ]
        return [f"{self.trials.name}: {what}. {self._remedy}" for what in missing + left]

    def _fault(self, name: str, found: Any, stored: Any) -> str:
        if found is None or stored is None:
            return f"{name} is {found}, stored {stored}"
        if name in self.bounds:
            return "" if found <= self.bounds[name] else f"{name} is {found:.3g}, at most {self.bounds[name]:g} allowed"
        if name not in self.moves:
            return "" if found == stored else f"{name} is {found!r}, stored {stored!r}"
        if abs(found - stored) <= self.moves[name] * abs(stored):
            return ""
        share = abs(found / stored - 1) if stored else float("inf")
        return f"{name} is {found:.8g}, stored {stored:.8g}: it moved by {share:.2%}, {self.moves[name]:.2%} allowed"

    @property
    def _remedy(self) -> str:
        """Say how to store new figures: a run leaves alone what its file holds."""
        name = self.trials.name
        calls = f"python -m benchmarks run --only {name} && python -m benchmarks report"
        return f"If that is wanted: rm benchmarks/results/cpu/{name}.json && {calls}"
