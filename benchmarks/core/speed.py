"""What a benchmark of time and memory is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.core.goals import Goal

Step = Callable[[], object]
"""One turn of a case: what is timed."""

Build = Callable[..., Step]
"""Makes a case ready at a size, given by keywords, which need not be timed."""

Size = Mapping[str, int]


@dataclass(frozen=True)
class Speed:
    """Cases at each of some sizes, every one in a process of its own; they take turns, unless they are too large.

    A case that breaks a ceiling is recorded with that, and is not tried at the sizes that follow: give them in order.
    """

    name: str
    title: str
    cases: Mapping[str, Build] = field(hash=False)
    """By name; functions of a module, or partials of them: a fresh process has to find them."""
    sizes: Sequence[Size] = field(hash=False)
    checks: Mapping[str, Callable[[], None]] = field(default_factory=dict, hash=False)
    """By case: compares it with what it has to equal. A case whose check raises is not timed; functions as above."""
    goals: Sequence[Goal] = ()
    repeats: int = 7
    warm_up: bool = True
    """Whether a first turn does not count, and another is watched for its memory: not where a turn takes minutes."""
    in_turns: bool = True
    """Whether all cases are alive at once: not where memory does not hold them beside each other."""
    threads: int = 1
    seconds: float = 120.0
    """Ceiling of one turn, and of making ready."""
    gigabytes: float = 8.0
    """Ceiling of what a process may take beyond what it starts with."""
    processor_only: bool = False
    """Whether it is left out on other devices: what it measures is a processor's."""
    note: str = ""
    """What a reader must know to judge the figures: where sizes cannot be equal, what is left out."""
