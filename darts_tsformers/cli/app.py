"""The commands, put together."""

from typing import Annotated

import typer

from darts_tsformers import __version__
from darts_tsformers.cli.backtest import backtest
from darts_tsformers.cli.compare import compare
from darts_tsformers.cli.demo_data import demo_data
from darts_tsformers.cli.diagnose import diagnose
from darts_tsformers.cli.explain import explain
from darts_tsformers.cli.forecast import forecast
from darts_tsformers.cli.lists import ListCommand
from darts_tsformers.cli.models import models
from darts_tsformers.cli.predict import predict
from darts_tsformers.cli.recommend import recommend
from darts_tsformers.cli.serve import serve
from darts_tsformers.cli.tune import tune

PROGRAM = "darts-tsformers"

COMMANDS = (forecast, tune, predict, serve, backtest, compare, explain, diagnose, recommend, models, demo_data)

app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


def _print_version(asked: bool) -> None:
    if asked:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Forecast time series with efficient transformers."""


for command in COMMANDS:
    app.command(command.__name__.replace("_", "-"), cls=ListCommand)(command)
