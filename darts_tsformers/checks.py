"""Errors for hyper-parameters: each names the argument, its value and the rule."""

import math
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from numbers import Integral, Real


def require_at_least(least: int, **values: object) -> None:
    """Raise ``ValueError`` if any value is no integer or below ``least``."""
    for name, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}={value!r} must be an integer of at least {least}")


def require_probability(**values: object) -> None:
    """Raise ``ValueError`` if any value is no number in [0, 1)."""
    for name, value in values.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < 1:
            raise ValueError(f"{name}={value!r} must be in [0, 1)")


def require_not_negative(**values: object) -> None:
    """Raise ``ValueError`` if any value is no finite number of at least 0."""
    for name, value in values.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < math.inf:
            raise ValueError(f"{name}={value!r} must be a finite number of at least 0")


def require_flag(**values: object) -> None:
    """Raise ``ValueError`` if any value is neither True nor False."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name}={value!r} must be True or False")


def require_one_of(choices: Collection[str], **values: object) -> None:
    """Raise ``ValueError`` if any value is not among the choices."""
    for name, value in values.items():
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{name}={value!r} must be one of {sorted(choices)}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return words that name the known name most like one that is not known; none if no other is like it.

    Examples
    --------
    >>> from darts_tsformers.checks import did_you_mean
    >>> did_you_mean("d_modl", ["dropout", "d_model"])
    "; did you mean 'd_model'?"
    >>> did_you_mean("epochs", ["dropout"])
    ''
    """
    found = get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
