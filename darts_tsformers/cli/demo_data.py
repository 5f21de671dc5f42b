"""``darts-tsformers demo-data``."""

from pathlib import Path
from typing import Annotated

import typer


def demo_data(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Where to; must not be there yet.", dir_okay=False)],
) -> None:
    """Write a sample file to try the other commands on: daily sales of a shop, with promotions and holidays."""
    from darts_tsformers.demo_data import write_demo_data

    try:
        print(write_demo_data(file))
    except OSError as error:
        raise typer.BadParameter(error.strerror or str(error)) from None
