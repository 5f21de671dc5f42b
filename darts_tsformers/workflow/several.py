"""Several forecasters on the same windows."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from darts_tsformers.workflow.compare import compare
from darts_tsformers.workflow.names import ENSEMBLE
from darts_tsformers.workflow.settings import AUTO
from darts_tsformers.workflow.table import Table


def compare_models(table: Table, horizon: int, models: Sequence[str] = (AUTO,), **options: Any) -> pd.DataFrame:
    """Train several forecasters, and score them beside simpler ones on the end of the series.

    Parameters
    ----------
    table
        From :func:`~darts_tsformers.workflow.read_table`, or made of series of your own.
    horizon
        Steps to forecast.
    models
        Names of forecasters, as :func:`~darts_tsformers.workflow.compare` takes them. The windows are the same for all
        of them where the series is long enough for their look-backs.
    **options
        Further arguments of ``compare``.

    Returns
    -------
    pandas.DataFrame
        One row for each model, the forecasters first; columns as in the scores of a comparison.

    Raises
    ------
    DataError
        If ``compare`` raises it for one of the models.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table, compare_models
    >>> days = pd.date_range("2024-01-01", periods=60, freq="D", name="day")
    >>> week = np.sin(np.arange(60) * 2 * np.pi / 7) + np.arange(60) % 5
    >>> table = Table(TimeSeries.from_times_and_values(days, week, columns=["units"]))
    >>> scores = compare_models(table, 7, ["patchtst", "itransformer"], epochs=1, verbose=False)
    >>> scores.index.tolist()[:4]
    ['PatchTSTModel', 'ITransformerModel', 'Naive', 'NaiveSeasonal']
    """
    comparisons = [compare(table, horizon, model, **{"refit": False} | options) for model in dict.fromkeys(models)]
    own = pd.concat([one.scores.loc[[one.name]] for one in comparisons])
    own = own[~own.index.duplicated()]
    first = comparisons[0]
    return pd.concat([own, first.scores.drop(index=[first.name] + ([ENSEMBLE] if len(own) > 1 else []))])
