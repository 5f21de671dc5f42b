"""``darts-tsformers compare``."""

from typing import Any

from darts_tsformers.cli import options
from darts_tsformers.cli.printing import print_frame

SCORE = "MASE"


@options.reads_table
def compare(
    data: options.Data,
    reading: dict[str, Any],
    horizon: options.Horizon,
    model: options.Models = ["auto"],  # noqa: B006 - typer copies it
    lookback: options.Lookback = None,
    season: options.Season = None,
    epochs: options.Epochs = None,
    calendar: options.Calendar = False,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
) -> None:
    """Train several forecasters, and score them beside simpler ones on the end of the series. Writes nothing."""
    from darts_tsformers.workflow import compare_models

    table = options.read_one(data, reading, quiet)
    training = {"lookback": lookback, "season": season, "epochs": epochs, "calendar": calendar, "seed": seed}
    scores = compare_models(table, horizon, model, **training, verbose=not quiet)
    print_frame(scores, best=SCORE)
