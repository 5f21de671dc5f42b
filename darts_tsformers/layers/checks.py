"""Errors for hyper-parameters: each names the argument, its value and the rule."""


def require_at_least(least: int, **values: object) -> None:
    """Raise ``ValueError`` if any value is no integer or below ``least``."""
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}={value!r} must be an integer of at least {least}")


def require_probability(**values: float) -> None:
    """Raise ``ValueError`` if any value is outside of [0, 1)."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}={value!r} must be in [0, 1)")
