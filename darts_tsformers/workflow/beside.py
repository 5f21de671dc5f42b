"""What every forecaster is compared and mixed with."""

from darts import TimeSeries

from darts_tsformers.workflow.baselines import Baseline, SeasonalNaive, Smoothing, Theta
from darts_tsformers.workflow.linear import DLinear, NLinear
from darts_tsformers.workflow.names import DLINEAR, LAST, NAIVE, NLINEAR, SMOOTHING, THETA
from darts_tsformers.workflow.settings import Settings

KINDS: dict[str, type[Baseline]] = {
    LAST: SeasonalNaive,
    NAIVE: SeasonalNaive,
    SMOOTHING: Smoothing,
    THETA: Theta,
    DLINEAR: DLinear,
    NLINEAR: NLinear,
}


def baselines_of(settings: Settings, history: TimeSeries) -> dict[str, Baseline]:
    """Return the models beside a forecaster, by name.

    Parameters
    ----------
    settings
        Those of the forecaster: the linear networks see as much, and are trained for at most as many steps.
    history
        What is before the first window, without gaps: it decides how each is built.
    """
    season = settings.season
    steady: dict[str, Baseline] = {} if season == 1 else {LAST: SeasonalNaive(1)}
    return steady | {
        NAIVE: SeasonalNaive(season),
        SMOOTHING: Smoothing.choose(season, history),
        THETA: Theta.choose(season),
        DLINEAR: DLinear.of(settings),
        NLINEAR: NLinear.of(settings),
    }
