"""Sizes in words."""

from collections.abc import Sequence

from benchmarks.core.speed import Size


def several(sizes: Sequence[Size], among: Sequence[Size]) -> str:
    """Name sizes by what differs among all: by a single entry once."""
    along = varied(among)
    if along and sizes:
        return f"{along} " + ", ".join(f"{size[along]:,}" for size in sizes)
    return " and ".join(named(size, among) for size in sizes)


def named(size: Size, among: Sequence[Size]) -> str:
    """Name a size by what differs among all."""
    return ", ".join(f"{name} {size[name]:,}" for name in _differing(among) or size)


def varied(sizes: Sequence[Size]) -> str | None:
    """Return the only entry of sizes that differs among them."""
    names = _differing(sizes)
    return names[0] if len(names) == 1 else None


def _differing(sizes: Sequence[Size]) -> list[str]:
    return [name for name in (sizes[0] if sizes else []) if len({size.get(name) for size in sizes}) > 1]
