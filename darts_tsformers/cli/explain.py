"""``darts-tsformers explain``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from darts_tsformers.cli import options
from darts_tsformers.cli.writing import written

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def explain(
    context: typer.Context,
    folder: options.Folder,
    data: options.NewData,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", dir_okay=False, help="Draw what it looks at, too.")
    ] = None,
) -> None:
    """Say what a forecaster looks at when it forecasts what comes after the data."""
    from darts_tsformers.workflow import load

    explanation = load(folder).explain(data)
    if out is not None:
        with written(out, context.obj) as part:
            cast("Figure", explanation.plot()).savefig(part, format="png", dpi=150)
    print(explanation.summary())
