"""What can be said of a model before it is made: sizes to start from on a series, and how quantiles are found."""

import inspect
from typing import Any, ClassVar

from darts_tsformers.adapter.search_space import Options, Range, search_space
from darts_tsformers.networks import Network

MANY_WINDOWS = 2000


class StartingModel:
    """A model that suggests its own sizes and says how it forecasts quantiles."""

    network_class: ClassVar[type[Network]]

    @classmethod
    def starting_sizes(cls, lookback: int, season: int, n_windows: int) -> dict[str, Any]:
        """Return keyword arguments to start from; a class with a better idea of some changes those.

        A model around a language model starts without one: whether it helps is to be found out next.

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
        sizes: dict[str, Any] = {
            "d_model": 64 if wide else 32,
            "n_heads": 4,
            "d_ff": 128 if wide else 64,
            "dropout": 0.1,
        }
        sizes |= {"backbone": "none", "backbone_sizes": {"d_model": sizes["d_model"]}}
        known = inspect.signature(cls).parameters
        taken = {name: size for name, size in sizes.items() if name in known}
        return taken | {"optimizer_kwargs": {"lr": 1e-3}}

    @classmethod
    def search_space(
        cls, lookback: int = 168, season: int = 1, n_windows: int = MANY_WINDOWS
    ) -> dict[str, Options | Range]:
        """Return what :func:`~darts_tsformers.tuning.tune` tries of each argument.

        Patches, kernels and what else follows from the look-back are not in it: ``starting_sizes`` says them for each
        look-back that is tried.

        Parameters
        ----------
        lookback
            Steps that the model usually sees; half of it and twice as many are tried as well.
        season
            Steps in a seasonal period; 1 for none.
        n_windows
            Windows to train on; few ask for a narrow network.

        Examples
        --------
        >>> from darts_tsformers import PatchTSTModel
        >>> space = PatchTSTModel.search_space(lookback=24)
        >>> space["input_chunk_length"].values, space["n_heads"].values
        ((12, 24, 48), (2, 4, 8))
        """
        return search_space(cls, lookback, season, n_windows)

    @classmethod
    def needs_paths(cls, **arguments: Any) -> bool:
        """Return whether quantiles are to be counted over sampled paths, for some arguments of the class.

        That is so where the network draws paths itself, or where each step is forecast from the steps before it: the
        likelihood's parameters are those of a step given the steps before, and do not widen with the horizon.
        """
        return cls.network_class.draws_paths
