"""The calendar as the papers show it to their models, for ``add_encoders={"custom": {"future": [...]}}``."""

import numpy as np
import pandas as pd
from darts.utils.serialization import add_safe_globals

__all__ = ["hourly_marks", "minutely_marks"]


def hourly_marks(index: pd.Index) -> np.ndarray:
    """Hour of the day, day of the week, of the month and of the year, each from -0.5 to 0.5.

    The marks of the Informer's code and of those that descend from it, which take them for data of any step.

    Parameters
    ----------
    index
        Dates of ``L`` steps.

    Returns
    -------
    numpy.ndarray
        ``(L, 4)``.

    Raises
    ------
    ValueError
        If the index holds no dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from darts_tsformers.adapter.calendar import hourly_marks
    >>> hourly_marks(pd.DatetimeIndex(["2016-01-01 00:00", "2016-07-01 23:00"])).round(2)
    array([[-0.5 ,  0.17, -0.5 , -0.5 ],
           [ 0.5 ,  0.17, -0.5 , -0.  ]])
    """
    dates = _dates(index)
    parts = [(dates.hour, 23), (dates.dayofweek, 6), (dates.day - 1, 30), (dates.dayofyear - 1, 365)]
    return np.stack([part / last - 0.5 for part, last in parts], axis=1)


def minutely_marks(index: pd.Index) -> np.ndarray:
    """Minute of the hour, and what :func:`hourly_marks` has; ``(L, 5)``.

    Parameters
    ----------
    index
        Dates of ``L`` steps.

    Returns
    -------
    numpy.ndarray
        ``(L, 5)``.

    Raises
    ------
    ValueError
        If the index holds no dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from darts_tsformers.adapter.calendar import minutely_marks
    >>> minutely_marks(pd.DatetimeIndex(["2016-01-01 00:59"])).round(2)
    array([[ 0.5 , -0.5 ,  0.17, -0.5 , -0.5 ]])
    """
    minute = _dates(index).minute.to_numpy()[:, None] / 59 - 0.5
    return np.concatenate([minute, hourly_marks(index)], axis=1)


def _dates(index: pd.Index) -> pd.DatetimeIndex:
    if not isinstance(index, pd.DatetimeIndex):
        raise ValueError(
            "the model reads the calendar (add_encoders), but the series has no dates: its index is one of "
            f"{type(index).__name__}; give it dates, or make the model with add_encoders=None"
        )
    return index


add_safe_globals([hourly_marks, minutely_marks])
