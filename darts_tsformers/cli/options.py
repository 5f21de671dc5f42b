"""Options that several commands have."""

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from darts_tsformers.catalogue import forecasters
from darts_tsformers.cli.printing import remark

if TYPE_CHECKING:
    from darts_tsformers.workflow import Table


def _known_model(name: str) -> str:
    names = ["auto", *forecasters()]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(close)}" if close else "'darts-tsformers models' lists them"
        raise typer.BadParameter(f"'{name}' is no model: {hint}")
    return name


def _known_models(names: list[str]) -> list[str]:
    return [_known_model(name) for name in names]


def whole(least: int) -> Callable[[Any], int]:
    """Return what reads a whole number of at least this size."""

    def read(given: Any) -> int:
        text = str(given)
        if not re.fullmatch(r"[+-]?\d{1,18}", text) or int(text) < least:
            raise typer.BadParameter(f"'{text}' must be a whole number of at least {least}")
        return int(text)

    return read


def share(given: Any) -> float:
    """Read a number between 0 and 1."""
    try:
        if 0 < float(given) < 1:
            return float(given)
    except ValueError:
        pass
    raise typer.BadParameter(f"'{given}' must be a number between 0 and 1")


_FILE: Any = {"exists": True, "dir_okay": False, "readable": True}

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="A table with a header: CSV (may be .gz), Excel, Parquet, Feather or .tsf.", **_FILE
    ),
]
NewData = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="A table with the columns of the training; newer, or the same.", **_FILE),
]
Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="What 'forecast' has written.", exists=True, file_okay=False)
]
Horizon = Annotated[int, typer.Option(metavar="N", parser=whole(1), help="Steps to forecast.")]
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        callback=_known_model,
        help="A name of 'darts-tsformers models', or auto: the best in benchmarks on such series.",
    ),
]
Models = Annotated[
    list[str],
    typer.Option(
        "--model", metavar="NAME ...", callback=_known_models, help="Names of 'darts-tsformers models', or auto."
    ),
]
Lookback = Annotated[
    int | None,
    typer.Option(metavar="N", parser=whole(1), help="Steps that the model sees; chosen to fit the series by default."),
]
Season = Annotated[
    int | None,
    typer.Option(
        metavar="N", parser=whole(1), help="Steps in a seasonal period, 1 for none; by the frequency by default."
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(metavar="N", parser=whole(1), help="Most epochs to train; chosen to fit the series by default."),
]
Calendar = Annotated[
    bool, typer.Option("--calendar", help="Let the model see where a step stands in the day, the week and the year.")
]
Quantiles = Annotated[
    list[float],
    typer.Option(metavar="Q ...", parser=share, help="Quantiles to forecast, with 0.5 and symmetric about it."),
]
Seed = Annotated[int, typer.Option(metavar="N", parser=whole(0), help="The same seed gives the same result.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]

_READING: dict[str, tuple[Any, Any]] = {
    "target": (
        Annotated[
            list[str] | None,
            typer.Option(metavar="COL ...", help="Columns to forecast; by default the only numeric column left."),
        ],
        None,
    ),
    "time": (
        Annotated[
            str | None, typer.Option(metavar="COL", help="The time column; by default the only column of dates.")
        ],
        None,
    ),
    "freq": (
        Annotated[
            str | None,
            typer.Option(metavar="F", help="A pandas frequency such as h, 30min, D, W-SUN, MS; inferred by default."),
        ],
        None,
    ),
    "separator": (
        Annotated[
            str | None, typer.Option(metavar="MARK", help="Between the columns: , ; | or tab; found by default.")
        ],
        None,
    ),
    "decimal": (
        Annotated[str | None, typer.Option(metavar="MARK", help="Before decimals: . or , ; found by default.")],
        None,
    ),
    "thousands": (
        Annotated[str | None, typer.Option(metavar="MARK", help="Between thousands; found by default.")],
        None,
    ),
    "past_covariates": (
        Annotated[list[str] | None, typer.Option(metavar="COL ...", help="Columns known up to the last target.")],
        None,
    ),
    "future_covariates": (
        Annotated[list[str] | None, typer.Option(metavar="COL ...", help="Columns known over the horizon too.")],
        None,
    ),
    "country_holidays": (
        Annotated[
            str | None,
            typer.Option(metavar="CODE", help="A country, such as DE or US, whose holidays are a future covariate."),
        ],
        None,
    ),
}
"""Arguments of ``read_table`` as options: type and default."""

_SEVERAL: dict[str, tuple[Any, Any]] = {
    "id": (
        Annotated[
            list[str] | None,
            typer.Option(
                metavar="COL ...", help="Columns that tell several series apart, in a table with one below the other."
            ),
        ],
        None,
    ),
    "static": (
        Annotated[list[str] | None, typer.Option(metavar="COL ...", help="Columns with one value for each series.")],
        None,
    ),
}
"""Those for a table of several series."""

Command: TypeAlias = Callable[..., None]


def reads_table(command: Command) -> Command:
    """Give a command the options of ``read_table`` for one series, as a dictionary named ``reading``."""
    return _with_options(command, _READING)


def reads_tables(command: Command) -> Command:
    """Give a command all options of ``read_table``, as a dictionary named ``reading``."""
    return _with_options(command, _READING | _SEVERAL)


def read_one(data: Path, reading: Mapping[str, Any], quiet: bool = False) -> "Table":
    """Read the table of one series, and say what was found in it.

    Raises
    ------
    DataError
        If it cannot be read, or has several series.
    """
    from darts_tsformers.workflow import DataError, Tables, read_table

    table = read_table(data, **reading)
    if isinstance(table, Tables):
        raise DataError(f"{data} holds {len(table)} series: only 'darts-tsformers forecast' takes several")
    if not quiet:
        remark(table)
    return table


def _with_options(command: Command, options: Mapping[str, tuple[Any, Any]]) -> Command:
    own = [one for one in inspect.signature(command).parameters.values() if one.name != "reading"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in options.items()
    ]
    signature = inspect.Signature([*own, *added])

    @wraps(command)
    def run(**given: Any) -> None:
        reading = {name: given.pop(name) for name in options}
        command(**given, reading={name: value for name, value in reading.items() if value})

    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    return run
