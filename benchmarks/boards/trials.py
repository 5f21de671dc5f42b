"""The boards as benchmarks: the seasonal naive, which has to be as published, and each model with each seed."""

from functools import partial

from benchmarks.boards.board import Board
from benchmarks.boards.fev import FEV
from benchmarks.boards.gift import GIFT
from benchmarks.boards.published import NAIVE, NETWORK, published
from benchmarks.boards.recipe import MODELS
from benchmarks.boards.summary import fewest_seeds, published_score, score, summary
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
        f"{board.loss} and MASE are divided by those of the board's seasonal naive: 1 is as good as it is, lower is "
        "better. The figure of a model is the geometric mean over configurations of the means over seeds; published "
        f"figures are over the same configurations. All figures are of {board.part}, not of the whole board. Before a "
        "model is trained, the seasonal naive has to match its published row to a millionth. A model is trained once, "
        "on rows before the first test window; every choice is made on validation rows at the end of these. Published "
        f"rows are those of {board.name} at commit {commit} (`benchmarks/boards/published/{file}`). A model that met "
        "the data in training, according to its authors, does not count as the best."
    )


def networks(board: Board) -> list[str]:
    """Name the published networks that were trained only on the configuration they forecast."""
    rows = published(board)
    return sorted(set(rows[rows.kind == NETWORK].model))


def goal(board: Board, model: str, at_most: float, *only: str, what: str = "") -> Goal:
    """Return a bound for the loss of a model, over all configurations here or over some."""
    return Goal(
        f"{board.name}, {board.part}: {model}, {board.loss}{what}",
        score(board, model, *only),
        at_most=at_most,
        remark=fewest_seeds(board, model, len(SEEDS)),
    )


def below_published(model: str) -> Goal:
    return goal(GIFT, model, round(0.9 * published_score(GIFT, model), 3), what=", 10 % below the published")


BEST_NETWORK = min(published_score(FEV, network) for network in networks(FEV))
GOALS_GIFT = [goal(GIFT, MAIN, 0.445), *map(below_published, ("PatchTST", "TFT", "iTransformer"))]
GOALS_FEV = [
    goal(FEV, MAIN, 0.48, *PRICES, what=" on the three prices"),
    goal(FEV, MAIN, round(BEST_NETWORK, 4), what=", below every published network"),
]
BOARDS = (GIFT, FEV)
BENCHMARKS = [trials(GIFT, "boards_gift", GOALS_GIFT), trials(FEV, "boards_fev", GOALS_FEV)]
