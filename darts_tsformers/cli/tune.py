"""``darts-tsformers tune``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from darts_tsformers.cli import options
from darts_tsformers.cli.forecast import INTERVALS
from darts_tsformers.cli.printing import print_comparison, remark


@options.reads_table
def tune(
    context: typer.Context,
    data: options.Data,
    reading: dict[str, Any],
    horizon: options.Horizon,
    model: options.Models = ["auto"],  # noqa: B006 - typer copies it
    budget: Annotated[int, typer.Option(metavar="SECONDS", parser=options.whole(1), help="How long to search.")] = 600,
    trials: Annotated[
        int | None, typer.Option(metavar="N", parser=options.whole(1), help="Most forecasters to try.")
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.db", dir_okay=False, help="Keep the trials here, and go on from those that are there."
        ),
    ] = None,
    season: options.Season = None,
    epochs: options.Epochs = None,
    quantiles: options.Quantiles = INTERVALS,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Folder for the results.")] = Path("tuned"),
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Search for the forecaster that does best, and forecast with it.

    The end of the series is held back from the search. The best forecaster is compared with classical ones on it, and
    written as 'forecast' writes one, with a table and a picture of the trials.
    """
    from darts_tsformers.tuning.table import tune_table, write_tuned
    from darts_tsformers.workflow import check_output_folder, read_table

    check_output_folder(out, data=data)
    table = read_table(data, **reading)
    if not quiet:
        remark(table)
    tuned = tune_table(
        table,
        horizon,
        model,
        budget_seconds=budget,
        n_trials=trials,
        study=study,
        season=season,
        epochs=epochs,
        quantiles=quantiles,
        seed=seed,
        verbose=not quiet,
    )
    with context.obj.waiting():
        paths = write_tuned(tuned, out)
    if not quiet:
        print(tuned.tuning)
        print_comparison(tuned.comparison)
        print("\n".join(map(str, paths)))
