"""The highest of some values, where near equals go by position."""


def highest(values: list[float], n: int, bound: float) -> list[int]:
    """Return where the n highest stand: those clearly above the n-th, then, from the first on, those near it."""
    cut = sorted(values, reverse=True)[n - 1]
    near = 1e-5 * bound
    above = [i for i, value in enumerate(values) if value > cut + near]
    return (above + [i for i, value in enumerate(values) if cut - near <= value <= cut + near])[:n]
