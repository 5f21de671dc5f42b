"""What others have in the same configurations, by the boards' own files of results."""

from functools import cache
from pathlib import Path

import pandas as pd

from benchmarks.boards.board import Board

NAIVE = "seasonal naive"
NETWORK = "network"
"""The kind that is trained on each configuration's own training part alone."""


@cache
def published(board: Board) -> pd.DataFrame:
    """Return the rows of a board: ``configuration``, ``model``, ``kind``, ``saw_data``, ``MASE`` and its loss.

    ``saw_data`` is what the authors of a model say of whether its training met these data elsewhere.
    """
    return pd.read_csv(Path(__file__).parent / "published" / board.source[0])


def row(board: Board, configuration: str, model: str = NAIVE) -> dict[str, float]:
    """Return the metrics of a model in a configuration."""
    table = published(board)
    (found,) = table[(table.configuration == configuration) & (table.model == model)].to_dict("records")
    return {metric: found[metric] for metric in ("MASE", board.loss)}
