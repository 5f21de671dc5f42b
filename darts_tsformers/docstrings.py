"""Numpy-style docstrings put together: what an argument means is said once, and filled in where it is asked for."""

import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping

_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", re.M | re.S)
_ENTRY = re.compile(r"^(\S[^\n]*)\n((?:[ ]+[^\n]*\n?|\n)*)", re.M)
_BEFORE_A_SECTION = re.compile(r"(?=^\S[^\n]*\n-+\n)", re.M)
_WIDTH = 112


def parameters_of(docstring: str) -> dict[str, str]:
    """Return the entries of a *Parameters* section: name(s) to text, as written."""
    section = _PARAMETERS.search(inspect.cleandoc(docstring))
    if section is None:
        return {}
    return {names: inspect.cleandoc(text) for names, text in _ENTRY.findall(section.group(1))}


def parameters_section(texts: Mapping[str, str]) -> str:
    """Write a *Parameters* section."""
    return "Parameters\n----------\n" + "".join(f"{names}\n{_indented(text)}\n" for names, text in texts.items())


def with_shared_parameters(docstring: str, names: Iterable[str], shared: Mapping[str, str]) -> str:
    """Fill in what a docstring leaves out of its *Parameters*.

    Parameters
    ----------
    docstring
        The docstring, which has the last word on what it does describe.
    names
        The arguments, in order.
    shared
        What arguments mean that many have.
    """
    docstring = inspect.cleandoc(docstring)
    described = parameters_of(docstring)
    written_together = {name: entry for entry in described for name in entry.split(", ")}
    entries = dict.fromkeys([*(written_together.get(name, name) for name in names), *described])
    known = {**shared, **described}
    texts = {entry: known[entry] for entry in entries if entry in known}
    if not texts:
        return docstring
    summary, *sections = _BEFORE_A_SECTION.split(_PARAMETERS.sub("", docstring), maxsplit=1)
    parts = (part.strip("\n") for part in (summary, parameters_section(texts), *sections))
    return "\n\n".join(part for part in parts if part)


def _indented(text: str) -> str:
    lines = [
        short for line in text.splitlines() for short in textwrap.wrap(line, _WIDTH, break_on_hyphens=False) or [""]
    ]
    return textwrap.indent("\n".join(lines), "    ")
