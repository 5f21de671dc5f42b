"""What was aimed at, to be printed beside what was reached."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]
"""The results of a benchmark as its file holds them."""


@dataclass(frozen=True)
class Goal:
    """A bound for a figure that can be worked out of results."""

    what: str
    figure: Callable[[Figures], float | None]
    """None where it was not measured."""
    at_most: float | None = None
    at_least: float | None = None
    why: str | Callable[[Figures], str] = ""
    """Why it is missed, where it is: what was found out, in words or from the results."""
    remark: Callable[[Figures], str] | None = None
    """Says what has to be known of the figure, if anything."""

    def is_met(self, value: float) -> bool:
        """Whether a value is within both bounds."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    def reason(self, figures: Figures) -> str:
        """Say why it is missed."""
        return (self.why(figures) if callable(self.why) else self.why) or "The cause was not looked for."

    def remarked(self, figures: Figures) -> str:
        """Return what has to be known of the figure, in brackets."""
        said = self.remark(figures) if self.remark else ""
        return f" ({said})" if said else ""

    @property
    def bound(self) -> str:
        """The bound in words."""
        return f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
