"""What is measured of a model on a series."""

from dataclasses import dataclass
from math import inf, isfinite, nan

DEAD_SPREAD = 1e-6
TINY_SPREAD = 1e-2  # its square is ten times what the normalisation adds to the variance


@dataclass(frozen=True)
class Figures:
    """What was measured, over windows spread over the series, in the series' own units where there are any.

    Attributes
    ----------
    n_windows
        Windows forecast.
    train_loss, validation_loss, best_validation_loss, train_loss_before
        Mean losses of the last epoch, the lowest validation loss, and the training loss one epoch earlier; None where
        the model keeps none.
    is_log_likelihood
        Whether the losses are negative log-likelihoods: of these a difference means something, a share does not.
    lost_share
        Share of the forecast values that are NaN or infinite.
    variance_ratio
        Variance of the forecasts within their windows over that of what came; 1 is as lively as the data. Across
        windows where the horizon is a single step.
    mae, mae_last_value, mae_seasonal
        Mean absolute errors: of the model, of repeating the last value, of repeating the last season. NaN where nothing
        was observed to compare with; that of the model also where a forecast was lost.
    missing_share
        Share of the input that was not observed.
    dead_share, tiny_share
        Share of windows that are constant, so that there is no spread to normalise by, and of those whose spread is so
        small that the normalisation hardly sees it.
    season
        Steps of the seasonal period used.
    is_normalised
        Whether each window is normalised, as by ``use_instance_norm``.

    Examples
    --------
    >>> from darts_tsformers.diagnosis import Figures
    >>> figures = Figures(
    ...     n_windows=5, train_loss=0.18, train_loss_before=0.2, validation_loss=0.33, best_validation_loss=0.3,
    ...     is_log_likelihood=False, lost_share=0.0, variance_ratio=0.9, mae=1.5, mae_last_value=2.0, mae_seasonal=1.8,
    ...     missing_share=0.0, dead_share=0.0, tiny_share=0.0, season=7,
    ... )
    >>> round(figures.overfit, 3), round(figures.still_falling, 3), figures.skill_last_value
    (0.1, 0.1, 0.25)
    """

    n_windows: int
    train_loss: float | None
    train_loss_before: float | None
    validation_loss: float | None
    best_validation_loss: float | None
    is_log_likelihood: bool
    lost_share: float
    variance_ratio: float
    mae: float
    mae_last_value: float
    mae_seasonal: float
    missing_share: float
    dead_share: float
    tiny_share: float
    season: int
    is_normalised: bool = False

    @property
    def overfit(self) -> float:
        """How far the last validation loss is above the best one; 0 where either is not known.

        As a share of the best one; of log-likelihoods, and of losses that are not above 0, the difference.
        """
        return self._rise(self.best_validation_loss, self.validation_loss)

    @property
    def still_falling(self) -> float:
        """How far the training loss fell in the last epoch, counted alike; 0 where that is not known."""
        return -self._rise(self.train_loss_before, self.train_loss)

    @property
    def skill_last_value(self) -> float:
        """One minus the error over that of the last value; above 0 is better than naive."""
        return 1 - share(self.mae, self.mae_last_value)

    @property
    def skill_seasonal(self) -> float:
        """One minus the error over that of the last season; above 0 is better than naive."""
        return 1 - share(self.mae, self.mae_seasonal)

    def _rise(self, before: float | None, now: float | None) -> float:
        if before is None or now is None or not isfinite(now - before):
            return 0.0
        has_share = not self.is_log_likelihood and min(before, now) > 0
        return (now - before) / (before if has_share else 1)


def share(part: float, whole: float) -> float:
    """Return a part over what it is of: infinite if that is nothing, NaN if both are."""
    if whole == 0:
        return inf if part > 0 else nan
    return part / whole
