"""The means over the seeds beside what was published."""

import statistics
from collections.abc import Mapping

from benchmarks.accuracy.published import Published
from benchmarks.core.figures import by_model
from benchmarks.core.goals import Figures
from benchmarks.core.tables import number, table

HEAD = ["model", "seeds", "look-back", "trained on windows", "validation loss"]
ERRORS = ["MSE", "spread", "MAE", "MSE, published windows"]
PUBLISHED = ["published MSE", "published MAE", "with look-back", "by"]


def beside_published(published: Mapping[str, Published], figures: Figures) -> str:
    """Lay out a row a model; the spread is that from the best seed to the worst."""
    rows = []
    for model, results in by_model(figures).items():
        errors = [result["mse"] for result in results]
        one = published.get(model)
        beside = one.what if one else "mse, published windows"
        means = [statistics.mean(result[what] for result in results) for what in ("mae", beside)]
        row = [model, str(len(results)), str(results[0]["lookback"]), _share(results[0].get("stride"))]
        losses = [result.get("validation loss") for result in results]
        row += [number(None if None in losses else statistics.mean(losses)), number(statistics.mean(errors))]
        row += [number(max(errors) - min(errors)) if len(errors) > 1 else "–", *map(number, means)]
        rows.append(row + _published(one))
    return table([*HEAD, *ERRORS, *PUBLISHED], rows)


def _share(stride: int | None) -> str:
    """Say which windows a model was trained on, if it was."""
    return "–" if stride is None else "all" if stride == 1 else f"1 in {stride}"


def _published(one: Published | None) -> list[str]:
    return ["–"] * len(PUBLISHED) if one is None else [number(one.mse), number(one.mae), str(one.lookback), one.source]
