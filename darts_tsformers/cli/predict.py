"""``darts-tsformers predict``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from darts_tsformers.cli import options
from darts_tsformers.cli.printing import print_frame
from darts_tsformers.cli.writing import written


def predict(
    context: typer.Context,
    folder: options.Folder,
    data: options.NewData,
    horizon: Annotated[
        int | None,
        typer.Option(metavar="N", parser=options.whole(1), help="Steps to forecast; those of the training by default."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", dir_okay=False, help="Write the forecast to a file instead.")
    ] = None,
) -> None:
    """Forecast newer data with a forecaster that was trained before.

    Prints a table on a terminal, and CSV where it is piped.
    """
    from darts_tsformers.workflow import load

    frame = load(folder).predict(data, horizon).to_frame()
    if out is not None:
        with written(out, context.obj) as part:
            frame.to_csv(part)
    elif sys.stdout.isatty():
        print_frame(frame, digits=6)
    else:
        sys.stdout.write(frame.to_csv())
