"""``darts-tsformers serve``."""

from pathlib import Path
from typing import Annotated

import typer

from darts_tsformers.cli import options


def serve(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="What 'forecast' or 'tune' has written, or a saved model.", exists=True),
    ],
    host: Annotated[str, typer.Option(metavar="NAME", help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", parser=options.whole(1), help="Port to listen on.")] = 8000,
    frequency: Annotated[
        str | None,
        typer.Option(metavar="F", help="Time step for a saved model: a pandas frequency such as h, 30min, D, MS."),
    ] = None,
) -> None:
    """Forecast over HTTP, and watch how good the forecasts are: see http://localhost:8000/docs."""
    from darts_tsformers.serving import serve as run
    from darts_tsformers.serving.serve import read

    forecaster = read(folder)
    with context.obj.waiting():  # a signal is how a server ends
        run(forecaster, host=host, port=port, frequency=frequency)
