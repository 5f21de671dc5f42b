"""Results beside the published rows, always over the same configurations."""

import statistics
from collections.abc import Callable

import pandas as pd

from benchmarks.boards.board import Board
from benchmarks.boards.published import NAIVE, NETWORK, published
from benchmarks.core.figures import by_model
from benchmarks.core.goals import Figures
from benchmarks.core.tables import number, table


def relative(board: Board, figures: Figures, model: str) -> pd.DataFrame:
    """Return the loss and MASE of one of our models over the published seasonal naive's, a row a trial."""
    results = [one for one in by_model(figures).get(model, []) if one["configuration"] in _names(board)]
    found = pd.DataFrame(results, columns=["configuration", "seed", "MASE", board.loss])
    return _over_naive(board, found)


def by_configuration(board: Board, figures: Figures, model: str, metric: str = "") -> dict[str, float]:
    """Return the means over the seeds, by configuration, in the order of the board."""
    means = relative(board, figures, model).groupby("configuration")[metric or board.loss].mean()
    return {name: float(means[name]) for name in _names(board) if name in means}


def score(board: Board, model: str, *only: str) -> Callable[[Figures], float | None]:
    """Return what reads the geometric mean of the loss over the naive's; None unless every configuration is there.

    Parameters
    ----------
    board
        Whose configurations.
    model
        One of ours.
    only
        Configurations to take the arithmetic mean over instead.
    """

    def read(figures: Figures) -> float | None:
        found = by_configuration(board, figures, model)
        if not set(only or _names(board)) <= found.keys():
            return None
        return statistics.mean(found[name] for name in only) if only else statistics.geometric_mean(found.values())

    return read


def fewest_seeds(board: Board, model: str, wanted: int) -> Callable[[Figures], str]:
    """Return what says of how many seeds a configuration has results, where one has fewer than wanted."""

    def said(figures: Figures) -> str:
        fewest = relative(board, figures, model).groupby("configuration").seed.nunique().min()
        return f"{fewest} of {wanted} seeds" if fewest < wanted else ""

    return said


def published_score(board: Board, model: str, names: list[str] | None = None) -> float:
    """Return the geometric mean of a published model over configurations; all of ours unless named."""
    rows = published(board)
    found = _over_naive(board, rows[rows.model == model]).set_index("configuration")[board.loss]
    return statistics.geometric_mean(found[name] for name in names or _names(board))


def summary(board: Board, figures: Figures) -> str:
    """Lay out a row a model, then a row a configuration."""
    models = [name for name in by_model(figures) if name != NAIVE]
    if not models:
        return f"Of {board.part} the seasonal naive is as published; no model was measured."
    return "\n\n".join([_by_model(board, figures, models), _by_configuration(board, figures, models)])


def _by_model(board: Board, figures: Figures, models: list[str]) -> str:
    rows = []
    for model in models:
        losses, errors = (by_configuration(board, figures, model, metric) for metric in (board.loss, "MASE"))
        best_network, best = _best(board, list(losses), networks=True), _best(board, list(losses))
        rows.append(
            [
                model,
                f"{len(losses)} of {board.n_configurations}",
                str(relative(board, figures, model).seed.nunique()),
                number(statistics.geometric_mean(losses.values())),
                _spread(board, figures, model, set(losses)),
                number(statistics.geometric_mean(errors.values())),
                *(_published(board, name, list(losses)) for name in (model, best_network, best)),
            ]
        )
    head = ["model", "configurations", "seeds", board.loss, "between seeds", "MASE"]
    return table([*head, f"{board.loss}, published namesake", "best published network", "best published"], rows)


def _by_configuration(board: Board, figures: Figures, models: list[str]) -> str:
    ours = {model: by_configuration(board, figures, model) for model in models}
    measured = [name for name in _names(board) if any(name in found for found in ours.values())]
    rows = [
        [name, *(number(found.get(name)) for found in ours.values())]
        + [_published(board, _best(board, [name], networks=networks), [name]) for networks in (True, False)]
        for name in measured
    ]
    return table([f"{board.loss}, configuration", *models, "best published network", "best published"], rows)


def _spread(board: Board, figures: Figures, model: str, names: set[str]) -> str:
    """Write how far the seeds lie apart that were measured in all configurations."""
    seeds = [of_seed for _, of_seed in relative(board, figures, model).groupby("seed")]
    means = [statistics.geometric_mean(one[board.loss]) for one in seeds if set(one.configuration) == names]
    return number(max(means) - min(means), 2) if len(means) > 1 else "–"


def _published(board: Board, model: str, names: list[str]) -> str:
    known = model in set(published(board).model)
    return f"{number(published_score(board, model, names))} ({model})" if known else "–"


def _best(board: Board, names: list[str], *, networks: bool = False) -> str:
    """Name the published model with the lowest loss over configurations, of those that say they never saw the data."""
    rows = published(board)
    seen = set(rows[rows.saw_data == "Yes"].model)
    known = rows[~rows.model.isin(seen) & ((rows.kind == NETWORK) | (not networks))].model.unique()
    return min(known, key=lambda model: published_score(board, model, names))


def _over_naive(board: Board, rows: pd.DataFrame) -> pd.DataFrame:
    metrics = ["MASE", board.loss]
    known = published(board)
    naive = known[known.model == NAIVE].set_index("configuration")[metrics]
    return rows.assign(**{metric: rows[metric] / rows.configuration.map(naive[metric]) for metric in metrics})


def _names(board: Board) -> list[str]:
    return [one.name for one in board.configurations]
