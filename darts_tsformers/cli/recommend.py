"""``darts-tsformers recommend``."""

from typing import Any

from darts_tsformers.cli import options
from darts_tsformers.cli.printing import print_frame


@options.reads_table
def recommend(data: options.Data, reading: dict[str, Any], horizon: options.Horizon) -> None:
    """Rank the models by how they did on benchmarks like the data. Trains nothing."""
    from darts_tsformers.recommendation import recommend as rank
    from darts_tsformers.workflow.errors import as_data_errors

    table = options.read_one(data, reading)
    with as_data_errors():
        found = rank(table.target, horizon, future_covariates=table.future_covariates)
    print_frame(found.to_frame(), best="excess")
    print("\n".join([found.because, *found.remarks]))
