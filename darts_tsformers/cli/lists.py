"""Options that take several values: ``--quantiles 0.1 0.5 0.9`` as well as one option a value."""

from collections.abc import Collection, Sequence
from typing import Any

import typer
from typer.core import TyperCommand


class ListCommand(TyperCommand):
    """A command whose options for several values take all that follow, up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; see typer's documentation."""
        several = {name for parameter in self.params if parameter.multiple for name in parameter.opts}
        return super().parse_args(ctx, one_each(args, several))


def one_each(arguments: Sequence[str], several: Collection[str]) -> list[str]:
    """Repeat an option for each of its values.

    Raises
    ------
    typer.BadParameter
        If it has none.

    Examples
    --------
    >>> from darts_tsformers.cli.lists import one_each
    >>> one_each(["--quantiles", "0.1", "0.9", "--seed", "5"], {"--quantiles"})
    ['--quantiles', '0.1', '--quantiles', '0.9', '--seed', '5']
    """
    found: list[str] = []
    option = None
    for argument, following in zip(arguments, [*arguments, "--"][1:], strict=True):
        if argument.startswith("--"):
            option = argument if argument in several else None
            if option is not None and following.startswith("--"):
                raise typer.BadParameter(f"option '{option}' requires an argument")
        elif option is not None and found[-1] != option:
            found.append(option)
        found.append(argument)
    return found
