"""Windows whose variates stand in another order."""

from dataclasses import replace

from torch import Tensor

from darts_tsformers.window import Window


def moved_about(window: Window, order: Tensor) -> Window:
    static = None if window.static is None else window.static[:, order]
    return replace(window, target=window.target[..., order], static=static)
