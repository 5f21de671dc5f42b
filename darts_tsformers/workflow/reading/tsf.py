"""Files of the Monash forecasting archive as one long table."""

from pathlib import Path

import numpy as np
import pandas as pd

from darts_tsformers.workflow.reading.source import Source, of_frame, refusing_unreadable

_NAME, _START = "series_name", "start_timestamp"


def of_tsf(path: Path) -> Source:
    """Read columns ``time`` and ``value``, one row for each step of each series, and a column for each attribute."""
    from darts_tsformers.data import tsf_lines  # which brings Darts, and most files are of other formats

    with refusing_unreadable(path):
        lines = tsf_lines(path)
    lengths = [len(line.values) for line in lines]
    names = [name for name in lines[0].attributes if name != _START]
    columns = {name: np.repeat([line.attributes[name] for line in lines], lengths) for name in names}
    first = lines[0].times
    frame = pd.DataFrame(
        columns
        | {
            "time": first.append([line.times for line in lines[1:]]),
            "value": np.concatenate([line.values for line in lines]),
        }
    )
    ids = (_NAME,) if _NAME in names and len(lines) > 1 else ()
    freq = first.freqstr if isinstance(first, pd.DatetimeIndex) else str(first.step)
    return Source(of_frame(frame, str(path)).cells, freq, ids)
