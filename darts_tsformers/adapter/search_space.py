"""What to try of each argument when a model is tuned."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

LEARNING_RATE = "optimizer_kwargs.lr"
_FEW_WINDOWS = 500


@dataclass(frozen=True)
class Options:
    """Some values to choose from.

    Attributes
    ----------
    values
        Numbers, names or truth values; at least one.

    Raises
    ------
    ValueError
        If there are no values.

    Examples
    --------
    >>> from darts_tsformers.tuning import Options
    >>> Options((16, 32)).values
    (16, 32)
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"values={self.values!r} must hold at least one value")


@dataclass(frozen=True)
class Range:
    """All numbers from one to another.

    Attributes
    ----------
    low, high
        The least and the greatest; both count.
    log
        Whether to draw orders of magnitude evenly.

    Raises
    ------
    ValueError
        If ``low`` is not below ``high``, or ``log`` is set and ``low`` is not above 0.

    Examples
    --------
    >>> from darts_tsformers.tuning import Range
    >>> Range(1e-4, 1e-2, log=True).low
    0.0001
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low={self.low!r} must be below high={self.high!r}")
        if self.log and not self.low > 0:
            raise ValueError(f"low={self.low!r} must be above 0 where log=True")


Space: TypeAlias = Mapping[str, Options | Range]
"""What to try, by the name of the argument; ``"optimizer_kwargs.lr"`` is the entry ``"lr"`` of ``optimizer_kwargs``."""


def search_space(model_class: type, lookback: int, season: int, n_windows: int) -> dict[str, Options | Range]:
    """Return what to try of the arguments of a class: of those that it has, sizes and rates that often matter."""
    widths = (16, 32, 64) if n_windows < _FEW_WINDOWS else (16, 32, 64, 128)
    tried: dict[str, Options | Range] = {
        "input_chunk_length": Options(_lookbacks(lookback, season)),
        LEARNING_RATE: Range(1e-4, 1e-2, log=True),
        "batch_size": Options((16, 32, 64)),
        "dropout": Range(0.0, 0.4),
        "d_model": Options(widths),
        "n_heads": Options((2, 4, 8)),
        "d_ff": Options((32, 64, 128, 256)),
        "n_encoder_layers": Options((1, 2, 3)),
        "n_decoder_layers": Options((1, 2)),
        "n_layers": Options((1, 2, 3, 4)),
        "n_lstm_layers": Options((1, 2)),
        "channel_independent": Options((True, False)),
    }
    known = inspect.signature(model_class).parameters
    return {name: values for name, values in tried.items() if name.partition(".")[0] in known}


def _lookbacks(lookback: int, season: int) -> tuple[int, ...]:
    """Return half of a look-back, itself and its double, in whole seasons where one fits."""
    step = season if season <= lookback // 2 else 1
    halved = max(lookback // 2 // step * step, 1)
    return tuple(sorted({halved, lookback, 2 * lookback}))
