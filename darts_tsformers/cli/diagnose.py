"""``darts-tsformers diagnose``."""

from typing import Annotated

import typer

from darts_tsformers.cli import options


def diagnose(
    folder: options.Folder,
    data: options.NewData,
    windows: Annotated[
        int, typer.Option(metavar="N", parser=options.whole(1), help="About how many windows to forecast.")
    ] = 20,
) -> None:
    """Say whether a forecaster is any good on the data, and what to try if it is not."""
    from darts_tsformers.workflow import load

    print(load(folder).diagnose(data, windows))
