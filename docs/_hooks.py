"""What MkDocs adds to the pages as written: rooms, notebooks and changelog, formulas, links, the navigation in full.

A room is a folder of the package. Its page shows what it exports and, of building blocks, all that its files hold.
Where ``reference/ROOM.md`` is written, none is made; ``<!-- room: ROOM -->`` stands there for what the room holds. In
the navigation of ``mkdocs.yml`` a name with ``*`` stands for all pages that match it and are named nowhere else.
Formulas become MathML, which browsers show without a script.
"""

import html
import inspect
import pkgutil
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

from darts_tsformers import __version__
from docs import _links, _notebooks

PACKAGE = "darts_tsformers"
DOCS = Path(__file__).parent
BUILDING_BLOCKS = ("window", "recording", "recurrence", "layers")
ELSEWHERE = ("sktime",)
"""Rooms that a guide shows."""
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.S)
MARKER = re.compile(r"<!-- room: ([\w.]+) -->")


def on_config(config: Any) -> Any:
    """Say of which version the pages are."""
    config.copyright = f"darts_tsformers {__version__}, Apache-2.0"
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that are made, name in the navigation all pages that it stands for, and know other packages."""
    changelog = (DOCS.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    for name, content in (room_pages() | _notebooks.files() | {"changelog.md": changelog}).items():
        files.append(File.generated(config, name, content=content))
    for identifier, address in _links.LINKS.items():
        config.plugins["autorefs"].register_url(identifier, address)
    config.nav = expanded(config.nav, sorted(file.src_uri for file in files.documentation_pages()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put what a room holds where a page asks for it."""
    return MARKER.sub(lambda match: blocks(f"{PACKAGE}.{match[1]}"), markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Turn formulas into MathML."""
    return FORMULA.sub(lambda match: _formula(html.unescape(match[2]).strip(), match[1]), content)


@cache
def _formula(tex: str, tag: str) -> str:
    display = "block" if tag == "div" else "inline"
    return f'<{tag} class="formula">{convert(tex, display=display)}</{tag}>'


def expanded(nav: list[Any], pages: Sequence[str]) -> list[Any]:
    """Return the navigation with pages for each name with ``*``."""
    named = set(leaves(nav))

    def filled(items: list[Any]) -> list[Any]:
        found: list[Any] = []
        for item in items:
            if isinstance(item, str) and "*" in item:
                matching = [page for page in pages if fnmatch(page, item) and page not in named]
                named.update(matching)
                found += matching
            elif isinstance(item, dict):
                found.append({title: filled(of) if isinstance(of, list) else of for title, of in item.items()})
            else:
                found.append(item)
        return found

    return filled(nav)


def leaves(nav: list[Any]) -> Iterator[str]:
    """Give the names of all pages in the navigation."""
    for item in nav:
        for of in item.values() if isinstance(item, dict) else [item]:
            yield from leaves(of) if isinstance(of, list) else [of]


def room_pages() -> dict[str, str]:
    """Return the pages of the rooms by their names, but for those that are written."""
    found = {}
    for module in pkgutil.iter_modules(import_module(PACKAGE).__path__):
        if module.ispkg and module.name not in ELSEWHERE:
            found |= _block_pages(module.name) if module.name in BUILDING_BLOCKS else _export_page(module.name)
    return {name: text for name, text in found.items() if not (DOCS / name).exists()}


def _block_pages(name: str) -> dict[str, str]:
    """Return a page for a room of building blocks, and one for each room in it."""
    rooms = {room: blocks(room) for room in _rooms(f"{PACKAGE}.{name}")}
    paths = {room: room.removeprefix(f"{PACKAGE}.").replace(".", "/") for room in rooms}
    return {f"reference/rooms/{paths[room]}.md": _page(paths[room], room, text) for room, text in rooms.items() if text}


def _export_page(name: str) -> dict[str, str]:
    """Return a page for a room that exports something."""
    exported = exports(f"{PACKAGE}.{name}")
    return {f"reference/{name}.md": _page(name, f"{PACKAGE}.{name}", exported)} if exported else {}


def _page(path: str, room: str, text: str) -> str:
    title = ": ".join(path.capitalize().split("/"))
    return f"# {title}\n\n{inspect.getdoc(import_module(room))}\n\n{text}\n"


def _rooms(package: str) -> Iterator[str]:
    """Give a package and the packages in it, without the naive definitions."""
    yield package
    for module in pkgutil.iter_modules(import_module(package).__path__):
        if module.ispkg and module.name != "naive":
            yield from _rooms(f"{package}.{module.name}")


def blocks(package: str) -> str:
    """Write what mkdocstrings is to show of a package: what it exports, then what else its files hold."""
    room = import_module(package)
    exported = getattr(room, "__all__", ())
    shown = [exports(package)] if exported else []
    for module in pkgutil.iter_modules(room.__path__):
        if not module.ispkg and not module.name.startswith("_"):
            names = _public(f"{package}.{module.name}")
            others = [name for name in names if name not in exported]
            if others:
                shown.append(_block(f"{package}.{module.name}", members=None if others == names else others))
    return "\n\n".join(shown)


def exports(package: str) -> str:
    """Write what mkdocstrings is to show of what a package exports."""
    return "\n\n".join(_block(f"{package}.{name}") for name in getattr(import_module(package), "__all__", ()))


def _public(module: str) -> list[str]:
    things = vars(import_module(module)).items()
    return [name for name, thing in things if name[0] != "_" and getattr(thing, "__module__", None) == module]


def _block(path: str, members: list[str] | None = None) -> str:
    options = "show_root_full_path: true, show_signature_annotations: true"
    if members is not None:
        options += f", members: [{', '.join(members)}]"
    return f"::: {path}\n    options: {{{options}}}"
