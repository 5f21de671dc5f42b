"""The notebooks as pages, and a gallery of them: made from the files in ``notebooks/`` as they were run."""

import re
from functools import cache
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

FOLDER = Path(__file__).parents[1] / "notebooks"
STYLES = re.compile(r"<style scoped>.*?</style>\n?", re.S)
PICTURE = re.compile(r"!\[png\]\((.+?)\)")


@cache
def files() -> dict[str, str | bytes]:
    """Return what the site has of the notebooks, by name: the gallery, pages, pictures, and the files themselves."""
    found: dict[str, str | bytes] = {}
    cards = []
    for path in sorted(FOLDER.glob("*.ipynb")):
        text, pictures = _converted(path)
        found |= {f"notebooks/{name}": content for name, content in pictures.items()}
        found[f"notebooks/{path.stem}.md"] = text
        found[f"notebooks/{path.name}"] = path.read_bytes()
        cards.append(_card(path.stem, text))
    found["notebooks/index.md"] = "\n".join([*HEAD, *cards, "</div>", ""])
    return found


def pages() -> list[str]:
    """Return the names of the pages."""
    return [name for name in files() if name.endswith(".md")]


HEAD = [
    "# Notebooks",
    "",
    "Each was run from top to bottom on one CPU core, in about half a minute.",
    "",
    '<div class="grid cards" markdown>',
    "",
]


def _converted(path: Path) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and its pictures by name."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"unique_key": path.stem, "output_files_dir": f"{path.stem}_files"}
    text, found = MarkdownExporter().from_notebook_node(notebook, resources)
    text = STYLES.sub("", text).replace(' border="1" class="dataframe"', "").replace(".ipynb)", ".md)")
    download = f"[Download this notebook]({path.name}){{ .md-button download={path.name} }}"
    return f"{text.rstrip()}\n\n{download}\n", found["outputs"]


def _card(name: str, text: str) -> str:
    """Return an entry of the gallery: the first picture, the title and the first paragraph."""
    title, paragraph = _beginning(text)
    picture = PICTURE.search(text)
    shown = f"[![{title}]({picture[1]})]({name}.md)" if picture else ""
    return f"-   {shown}\n\n    **[{title}]({name}.md)**\n\n    {paragraph}\n"


def _beginning(text: str) -> tuple[str, str]:
    """Return the title and the first paragraph."""
    title, paragraph = re.match(r"\s*# (.+?)\n\n(.+?)\n\n", text, re.S).groups()
    return title, " ".join(paragraph.split())
