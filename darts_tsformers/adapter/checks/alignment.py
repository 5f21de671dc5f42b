"""What goes with series, over the same time as they are and of one type of number."""

from collections.abc import Sequence

import numpy as np
from darts import TimeSeries
from darts.logging import get_logger
from darts.utils.utils import n_steps_between

logger = get_logger(__name__)


def check_one_for_each(series: Sequence[TimeSeries], **given: Sequence[TimeSeries] | None) -> None:
    """Raise ``ValueError`` unless there are as many as there are series."""
    for name, several in given.items():
        if several is not None and len(several) != len(series):
            raise ValueError(f"{name} must be one for each series, not {len(several)} for {len(series)}")


def check_reach(
    series: Sequence[TimeSeries], which: Sequence[int], steps: slice, **given: Sequence[TimeSeries] | None
) -> None:
    """Raise ``ValueError`` if what is given does not reach over some steps of the series at some positions."""
    for name, several in given.items():
        if several is None:
            continue
        for i in which:
            one, times = several[i], series[i].time_index[steps]
            if (
                one.freq == series[i].freq
                and len(times)
                and (one.start_time() > times[0] or one.end_time() < times[-1])
            ):
                raise ValueError(
                    f"{name} {i} is from {one.start_time()} to {one.end_time()}, but must reach from {times[0]} to "
                    f"{times[-1]} to train or validate on series {i}"
                )


def in_dtype(given: Sequence[TimeSeries], dtype: np.dtype) -> list[TimeSeries]:
    """Cast those that are of another type."""
    return [one if one.dtype == dtype else one.astype(dtype) for one in given]


def warn_of_late(series: Sequence[TimeSeries], **given: Sequence[TimeSeries] | None) -> None:
    """Say how many covariates begin within their series."""
    for name, several in given.items():
        n_late = sum(map(_begins_within, several or (), series))
        if n_late > 0:
            logger.warning(f"{n_late} of {len(series)} {name} begin after their series; before, they are not observed.")


def from_start(given: Sequence[TimeSeries], series: Sequence[TimeSeries]) -> list[TimeSeries]:
    """Let covariates that begin within their series begin with it: what was before was not observed."""
    return [_from_start(*pair) for pair in zip(given, series, strict=True)]


def _begins_within(covariate: TimeSeries, series: TimeSeries) -> bool:
    return covariate.freq == series.freq and series.start_time() < covariate.start_time() <= series.end_time()


def _from_start(covariate: TimeSeries, series: TimeSeries) -> TimeSeries:
    if not _begins_within(covariate, series):
        return covariate
    n_missing = n_steps_between(covariate.start_time(), series.start_time(), series.freq)
    return covariate.prepend_values(np.full((n_missing, *covariate.shape[1:]), np.nan, covariate.dtype))
