"""``darts-tsformers forecast``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from darts_tsformers.cli import options
from darts_tsformers.cli.printing import print_comparison, remark

INTERVALS = [0.1, 0.5, 0.9]


@options.reads_tables
def forecast(
    context: typer.Context,
    data: options.Data,
    reading: dict[str, Any],
    horizon: options.Horizon,
    model: options.Model = "auto",
    lookback: options.Lookback = None,
    season: options.Season = None,
    epochs: options.Epochs = None,
    calendar: options.Calendar = False,
    quantiles: options.Quantiles = INTERVALS,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit/--no-refit",
            help="Train again on all rows for the forecast, or keep the model that was scored, as for several series.",
        ),
    ] = True,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the results.")] = Path(
        "forecast"
    ),
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Forecast the columns of a table, of one series or of several.

    Train a forecaster, compare it with simpler models on the end of the series, and write the best forecast and the
    comparison; of one series also a picture and the forecaster.
    """
    from darts_tsformers.workflow import (
        Tables,
        check_output_folder,
        compare,
        compare_panel,
        read_table,
        write_panel_report,
        write_report,
    )
    from darts_tsformers.workflow.report import PANEL_FILES, left_over

    check_output_folder(out, data=data)
    table = read_table(data, **reading)
    if not quiet:
        remark(table)
    asked: dict[str, Any] = {
        "lookback": lookback,
        "season": season,
        "epochs": epochs,
        "calendar": calendar,
        "quantiles": quantiles,
        "seed": seed,
    }
    comparison: Any
    if isinstance(table, Tables):
        check_output_folder(out, data=data, files=PANEL_FILES)
        comparison = compare_panel(table, horizon, model, **asked, verbose=not quiet)
    else:
        comparison = compare(table, horizon, model, **asked, refit=refit, verbose=not quiet)
    write = write_panel_report if isinstance(table, Tables) else write_report
    with context.obj.waiting():
        paths = write(comparison, out)
    if not quiet:
        print_comparison(comparison)
        print("\n".join(map(str, paths)))
        for path in left_over(paths):
            print(f"{path} is of an earlier forecast, and does not belong to this one: delete it", file=sys.stderr)
