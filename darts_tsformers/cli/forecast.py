"""``darts-tsformers forecast``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from darts_tsformers.cli import options
from darts_tsformers.cli.printing import print_comparison, remark

INTERVALS = [0.1, 0.5, 0.9]


@options.reads_table
def forecast(
    context: typer.Context,
    data: options.Data,
    reading: dict[str, Any],
    horizon: options.Horizon,
    model: options.Model = "auto",
    lookback: options.Lookback = None,
    season: options.Season = None,
    epochs: options.Epochs = None,
    quantiles: options.Quantiles = INTERVALS,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit/--no-refit", help="Train again on all rows for the forecast, or keep the model that was scored."
        ),
    ] = True,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the results.")] = Path(
        "forecast"
    ),
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Forecast the columns of a table.

    Train a forecaster, compare it with simpler models on the end of the series, and write the best forecast, the
    comparison, a picture and the forecaster.
    """
    from darts_tsformers.workflow import check_output_folder, compare, read_table, write_report
    from darts_tsformers.workflow.report import left_by_older_versions

    check_output_folder(out, data=data)
    table = read_table(data, **reading)
    if not quiet:
        remark(table)
    comparison = compare(
        table,
        horizon,
        model,
        lookback=lookback,
        season=season,
        epochs=epochs,
        quantiles=quantiles,
        seed=seed,
        refit=refit,
        verbose=not quiet,
    )
    with context.obj.waiting():
        paths = write_report(comparison, out)
    if not quiet:
        print_comparison(comparison)
        print("\n".join(map(str, paths)))
        for path in left_by_older_versions(out):
            print(f"{path} is of an older version, and nothing reads it now: delete it", file=sys.stderr)
