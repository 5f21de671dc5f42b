"""How much a server takes at once."""

from dataclasses import dataclass

from darts_tsformers.checks import require_at_least, require_not_negative


@dataclass(frozen=True)
class Limits:
    """How much a server takes at once, and how long it waits.

    Attributes
    ----------
    max_bytes
        Of the body of a request.
    max_series
        In a request.
    max_steps
        Of a series.
    max_batch
        Series that are forecast in one pass.
    batch_seconds
        How long the first series of a pass waits for others.
    max_remembered
        Forecasts that wait for what comes; the oldest are forgotten.

    Raises
    ------
    ValueError
        If a limit is below 1, or the time below 0.

    Examples
    --------
    >>> from darts_tsformers.serving import Limits
    >>> Limits(max_series=8).max_series
    8
    """

    max_bytes: int = 10_000_000
    max_series: int = 256
    max_steps: int = 100_000
    max_batch: int = 64
    batch_seconds: float = 0.002
    max_remembered: int = 10_000

    def __post_init__(self) -> None:
        require_at_least(
            1,
            max_bytes=self.max_bytes,
            max_series=self.max_series,
            max_steps=self.max_steps,
            max_batch=self.max_batch,
            max_remembered=self.max_remembered,
        )
        require_not_negative(batch_seconds=self.batch_seconds)
