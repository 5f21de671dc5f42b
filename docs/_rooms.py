"""The rooms of the package as a table and as a picture, by the storeys that ``tests/test_layout.py`` holds them to."""

import ast
from pathlib import Path

from tests.test_layout import PACKAGE, PURE, STOREYS

PICTURE = Path(__file__).parent / "images" / "rooms.svg"
WIDTH, ROW, BOX, CHARACTER, GAP, LEFT, RIGHT = 880, 46, 28, 8.3, 14, 70, 110
INK, BAND, GREY = "#1a1a1a", "#f1f1f1", "#6b6b6b"
PLAIN, WITH_DARTS = "#d3e7f3", "#fbe0cf"


def rows() -> list[list[str]]:
    """Return the rooms of each storey that there are, from the ground up."""
    return [sorted(name for name in names if name and _file(name).exists()) for names in STOREYS]


def table() -> str:
    """Tabulate the rooms from the top down: what is in each, and what it may import."""
    lines = ["| storey | room | what is in it | may import storeys |", "| --: | --- | --- | --- |"]
    for storey, row in reversed(list(enumerate(rows()))):
        reach = f"0 to {storey}" if storey else "0"
        for name in row:
            shown = f"{name}/" if _file(name).name == "__init__.py" else f"{name}.py"
            lines.append(f"| {storey} | `{shown}` | {_summary(name)} | {reach}{', no Darts' if name in PURE else ''} |")
    return "\n".join(lines)


def _file(name: str) -> Path:
    return PACKAGE / name / "__init__.py" if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"


def _summary(name: str) -> str:
    """Return the first line of what a room says of itself."""
    said = ast.get_docstring(ast.parse(_file(name).read_text(encoding="utf-8"))) or ""
    return said.partition("\n")[0].replace("``", "`").replace(":mod:", "")


def picture() -> str:
    """Draw a band for each storey, with the rooms in it."""
    height = ROW * len(STOREYS) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<title>The rooms of darts_tsformers: each imports from the storeys below its own</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_arrow(height),
        *(part for storey, row in enumerate(rows()) for part in _band(storey, row)),
        *_legend(),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _band(storey: int, row: list[str]) -> list[str]:
    top = 5 + ROW * (len(STOREYS) - 1 - storey)
    widths = [CHARACTER * len(name) + 20 for name in row]
    left = LEFT + (WIDTH - LEFT - RIGHT - sum(widths) - GAP * (len(row) - 1)) / 2
    parts = [
        f'<rect x="{LEFT}" y="{top + 3}" width="{WIDTH - LEFT - RIGHT}" height="{ROW - 6}" fill="{BAND}"/>',
        _text(LEFT - 14, top + 27, str(storey), 12, GREY),
    ]
    for name, width in zip(row, widths, strict=True):
        fill = PLAIN if name in PURE else WITH_DARTS
        box = f'x="{left:.1f}" y="{top + 9}" width="{width:.1f}" height="{BOX}" rx="5"'
        parts.append(f'<rect {box} fill="{fill}" stroke="{INK}" stroke-width="0.8"/>')
        parts.append(_text(left + width / 2, top + 28, name, 14, INK))
        left += width + GAP
    return parts


def _arrow(height: int) -> list[str]:
    x, end = 26, height - 16
    return [
        f'<path d="M{x} 16 V{end} m-5 -9 l5 9 l5 -9" fill="none" stroke="{GREY}" stroke-width="1.4"/>',
        f'<g transform="rotate(-90 {x - 8} {height / 2})">{_text(x - 8, height / 2, "imports from", 13, GREY)}</g>',
    ]


def _legend() -> list[str]:
    of_darts = _key("may use Darts", WITH_DARTS, 5 + ROW)
    return [*of_darts, *_key("no Darts", PLAIN, 5 + ROW * (len(STOREYS) - 3))]


def _key(words: str, fill: str, top: int) -> list[str]:
    x = WIDTH - RIGHT / 2
    box = f'x="{x - 9}" y="{top}" width="18" height="14" rx="3"'
    return [
        f'<rect {box} fill="{fill}" stroke="{INK}" stroke-width="0.8"/>',
        _text(x, top + 30, words, 12, GREY),
    ]


def _text(x: float, y: float, words: str, size: int, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="{size}" fill="{colour}">{words}</text>'
