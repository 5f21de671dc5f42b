"""What others have in the same configurations, by the boards' own files of results."""

from functools import cache
from pathlib import Path

import pandas as pd

from benchmarks.boards.board import Board

NAIVE = "seasonal naive"
NETWORK = "network"
"""The kind of model that is trained only on the training part of each configuration."""


@cache
def published(board: Board) -> pd.DataFrame:
    """Return the rows of a board: ``configuration``, ``model``, ``kind``, ``saw_data``, ``MASE`` and its loss.

    ``saw_data`` says whether a model met these data in training, according to its authors.
    """
    return pd.read_csv(Path(__file__).parent / "published" / board.source[0])


def row(board: Board, configuration: str, model: str = NAIVE) -> dict[str, float]:
    """Return the metrics of a model in a configuration."""
    table = published(board)
    (found,) = table[(table.configuration == configuration) & (table.model == model)].to_dict("records")
    return {metric: found[metric] for metric in ("MASE", board.loss)}
