"""Sizes to start from on a series, before anything is known of how well they do."""

import inspect
from typing import Any

MANY_WINDOWS = 2000


class StartingModel:
    """A model that suggests its own sizes."""

    @classmethod
    def starting_sizes(cls, lookback: int, season: int, n_windows: int) -> dict[str, Any]:
        """Return keyword arguments to start from; a class with a better idea of some changes those.

        Parameters
        ----------
        lookback
            Steps that the model will see.
        season
            Steps in a seasonal period; 1 for none.
        n_windows
            Windows to train on; few ask for a narrow network.
        """
        wide = n_windows >= MANY_WINDOWS
        sizes = {"d_model": 64 if wide else 32, "n_heads": 4, "d_ff": 128 if wide else 64, "dropout": 0.1}
        known = inspect.signature(cls).parameters
        taken = {name: size for name, size in sizes.items() if name in known}
        return taken | {"optimizer_kwargs": {"lr": 1e-3}}
