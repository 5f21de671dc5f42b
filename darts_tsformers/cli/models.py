"""``darts-tsformers models``."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from darts_tsformers.catalogue import forecasters
from darts_tsformers.cli.printing import console


def models() -> None:
    """List the forecasters."""
    table = Table("name", "class", "what it is", box=SIMPLE_HEAD, pad_edge=False)
    for name, entry in forecasters().items():
        table.add_row(name, entry.model_name, entry.summary)
    console().print(table)
