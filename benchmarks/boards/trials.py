"""The boards as benchmarks: the seasonal naive, which has to be as published, and each model with each seed."""

from functools import partial

from benchmarks.boards.board import Board
from benchmarks.boards.fev import FEV
from benchmarks.boards.gift import GIFT
from benchmarks.boards.published import NAIVE, NETWORK, published
from benchmarks.boards.recipe import MODELS
from benchmarks.boards.summary import published_score, score, summary
from benchmarks.boards.trial import naive_trial, trial
from benchmarks.core.goals import Goal
from benchmarks.core.trial import Trials

SEEDS = (1, 2, 3)
PRICES = ("epf_np", "epf_pjm", "epf_be")
MAIN = "mixture"
"""The model that the goals are about."""


def trials(board: Board, name: str, goals: list[Goal]) -> Trials:
    cases = {f"{NAIVE}, {one.name}": partial(naive_trial, board, one) for one in board.configurations} | {
        f"{model}, {one.name}, seed {seed}": partial(trial, board, one, model, recipe, seed)
        for seed in SEEDS
        for model, recipe in MODELS.items()
        for one in board.configurations
    }
    return Trials(
        name=name,
        title=f"{board.name}, {board.part}",
        cases=cases,
        goals=goals,
        summary=partial(summary, board),
        note=note(board),
    )


def note(board: Board) -> str:
    """Say what the figures are."""
    file, commit = board.source
    return (
        f"{board.loss} and MASE over those of the board's seasonal naive: 1 is the seasonal naive, lower is better. "
        "By model they are geometric means over configurations, of means over the seeds; published rows are over the "
        f"same configurations. Every figure is of {board.part}, none of the whole board. Before a model is trained, "
        "the seasonal naive has to come out as published, to a millionth. A model is trained once, on rows before the "
        "first test window; whatever is chosen, is chosen by validation rows at the end of these. Rows of others are "
        f"those of {board.name} at {commit} (benchmarks/boards/published/{file}); left out as the best are models "
        "whose authors say that they met the data in training."
    )


def networks(board: Board) -> list[str]:
    """Name the published networks that were trained on each configuration alone."""
    rows = published(board)
    return sorted(set(rows[rows.kind == NETWORK].model))


def part(board: Board, what: str) -> str:
    return f"{board.name}, {board.part}: {what}"


GOALS_GIFT = [
    Goal(part(GIFT, f"{MAIN}, CRPS"), score(GIFT, MAIN), at_most=0.445),
    *(
        Goal(
            part(GIFT, f"{model}, CRPS, 10 % below the published"),
            score(GIFT, model),
            at_most=round(0.9 * published_score(GIFT, model), 3),
        )
        for model in ("PatchTST", "TFT", "iTransformer")
    ),
]
GOALS_FEV = [
    Goal(part(FEV, f"{MAIN}, three prices with known covariates, SQL"), score(FEV, MAIN, *PRICES), at_most=0.48),
    Goal(
        part(FEV, f"{MAIN}, SQL, below every published network"),
        score(FEV, MAIN),
        at_most=round(min(published_score(FEV, network) for network in networks(FEV)), 4),
    ),
]
BOARDS = (GIFT, FEV)
BENCHMARKS = [trials(GIFT, "boards_gift", GOALS_GIFT), trials(FEV, "boards_fev", GOALS_FEV)]
