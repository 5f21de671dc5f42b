"""``darts-tsformers backtest``."""

from typing import Annotated

import typer

from darts_tsformers.cli import options
from darts_tsformers.cli.printing import print_frame

SCORE = "MASE"


def backtest(
    folder: options.Folder,
    data: options.NewData,
    windows: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=options.whole(1),
            help="Windows at the end of the data; by default as many as fit, at most 20.",
        ),
    ] = None,
) -> None:
    """Score a forecaster that was trained before on the end of newer data, beside simpler ones."""
    from darts_tsformers.workflow import load

    print_frame(load(folder).backtest(data, windows), best=SCORE)
