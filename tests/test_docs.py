"""The pages say what is so: their code runs, their figures are the measured ones, and they build without a warning."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mkdocs.utils import yaml_load
from typer.main import get_command

from darts_tsformers.catalogue import forecasters
from darts_tsformers.cli.app import app
from docs import _figures, _hooks, _links, _models, _notebooks, _pictures, _rooms
from tests.helpers import registries_as_before
from tests.reference._golden import names as golden_names
from tests.test_docstrings import PUBLIC

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
CODE = {
    name: blocks for name, text in PAGES.items() if (blocks := re.findall(r"^```python\n(.*?)^```", text, re.S | re.M))
}
MODEL_PAGES = {name: text for name, text in PAGES.items() if name.startswith("models/")}
SECTIONS = ["Covariates", "What it explains", "Checked against", "Cost", "Accuracy", "Example", "Class"]
LEFTOVERS = re.compile(r":(?:class|func|meth|mod|data|attr|math):|\.\. \w+::|``|\$\$|\| *--|~darts_tsformers")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", CODE)
def test_the_code_of_a_page_runs(page, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page}
    with registries_as_before():
        for block in CODE[page]:
            exec(compile(block, page, "exec"), names)
    printed = capsys.readouterr().out
    assert printed
    assert "nan" not in printed
    assert "False" not in printed.splitlines()


def test_every_page_is_in_the_navigation_once():
    nav = yaml_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = sorted([*PAGES, *_hooks.room_pages(), *_notebooks.pages(), "changelog.md"])
    assert sorted(_hooks.leaves(_hooks.expanded(nav, pages))) == pages


def test_a_name_with_a_star_stands_for_what_is_named_nowhere_else():
    nav = [{"A": ["a/first.md", "a/*.md", {"B": ["a/b/*.md"]}]}, {"Last": "a/last.md"}]
    pages = ["a/b/one.md", "a/first.md", "a/last.md", "a/new.md"]
    assert _hooks.expanded(nav, pages) == [
        {"A": ["a/first.md", "a/b/one.md", "a/new.md", {"B": []}]},
        {"Last": "a/last.md"},
    ]


def test_every_room_of_building_blocks_has_a_page():
    pages = _hooks.room_pages()
    assert {"reference/rooms/window.md", "reference/rooms/layers/transformer.md"} <= set(pages)
    shown = pages["reference/rooms/layers/transformer.md"]
    assert "\n::: darts_tsformers.layers.transformer.encoder\n" in shown
    assert "naive" not in "".join(pages)


@pytest.mark.parametrize("entry", forecasters().values(), ids=forecasters())
def test_every_model_has_a_page(entry):
    page, text = _models.page_of(entry), PAGES[f"models/{entry.name}.md"]
    assert page.title
    assert f"\n::: darts_tsformers.{page.model_name}\n" in text
    assert re.findall(r"^## (.+)$", text, re.M) == SECTIONS
    assert "\n$$\n" in text
    assert all(f"\n| {kind} | " in text for kind in ("past", "future", "static"))
    used = re.findall(r"<!-- figures: (\w+) -->", text)
    assert used.count("accuracy") == 1
    assert len(used) > 1, "the section on cost shows `growth`, or a table of its own"


def test_no_page_is_of_a_model_that_is_gone():
    assert {Path(page).stem for page in MODEL_PAGES} == set(forecasters())


@pytest.mark.parametrize("page", sorted(MODEL_PAGES))
def test_a_page_tells_how_many_golden_files_there_are(page):
    name = Path(page).stem
    n_files = len(golden_names(name) or list((ROOT / "tests/reference/golden").glob(f"*/{name}_*.npz")))
    assert re.findall(r"\b(\d+) golden files", PAGES[page]) == ([str(n_files)] if n_files else [])


@pytest.mark.parametrize("path", _figures.PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_figures_of_a_page_are_the_measured_ones(path):
    text = path.read_text(encoding="utf-8")
    assert _figures.filled(text, path.stem) == text, "make pages writes them anew"


@pytest.mark.parametrize("kind", _figures.BY_MODEL)
def test_the_page_of_a_model_without_results_says_so(kind):
    page = f"<!-- figures: {kind} -->\n<!-- /figures -->"
    assert _figures.NOT_MEASURED in _figures.filled(page, "not_measured")
    assert _figures.NOT_MEASURED not in _figures.filled(page, "patchtst")


def test_every_table_of_figures_is_on_a_page():
    texts = [path.read_text(encoding="utf-8") for path in _figures.PAGES]
    used = {name for text in texts for name in re.findall(r"<!-- figures: (\w+) -->", text)}
    assert used == set(_figures.TABLES) | set(_figures.BY_MODEL)


def test_every_picture_is_drawn_by_the_script_and_shown():
    drawn = {f"images/{name}.png" for name in _pictures.PICTURES}
    assert {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.png")} == drawn
    shown = {name: re.findall(r"!\[.+\]\((?:\.\./)?(images/.+\.png)\)", text) for name, text in PAGES.items()}
    assert set().union(*shown.values()) == drawn
    assert all(f"images/{name[:-3]}.png" == picture for name in MODEL_PAGES for picture in shown[name])


def test_a_notebook_is_a_page_with_its_pictures():
    files = _notebooks.files()
    page = files["notebooks/00_quickstart.md"]
    assert page.lstrip().startswith("# Quickstart\n")
    assert "](01_covariates_gaps_and_short_series.md)" in page
    pictures = re.findall(r"!\[png\]\((.+?)\)", page)
    assert pictures
    assert all(files[f"notebooks/{name}"].startswith(b"\x89PNG") for name in pictures)
    gallery = files["notebooks/index.md"]
    assert gallery.count(".png)](") == len(_notebooks.pages()) - 1


def test_a_formula_is_shown_without_a_script():
    page = r'<span class="arithmatex">\(a &lt; b\)</span> and <div class="arithmatex">\[x^2\]</div>'
    shown = _hooks.on_page_content(page)
    assert shown.count("<math") == 2
    assert 'display="block"' in shown.partition(" and ")[2]
    assert "arithmatex" not in shown


def test_the_picture_of_the_rooms_is_current():
    assert _rooms.PICTURE.read_text(encoding="utf-8") == _rooms.picture(), "make pages draws it anew"


def test_the_command_line_page_has_every_command_and_option_and_no_other():
    commands = get_command(app).commands
    parameters = [parameter for command in commands.values() for parameter in command.params]
    options = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    page = PAGES["guides/cli.md"]
    assert set(re.findall(r"--[a-z][a-z-]+", page)) - {"--version", "--help"} == {o for o in options if o[:2] == "--"}
    assert set(re.findall(r"^\| `([a-z][a-z-]+)[ `]", page, re.M)) == set(commands)


def test_the_site_builds_without_a_warning_and_shows_no_markup(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    anchors, links = set(), set()
    for path in sorted(tmp_path.rglob("index.html")):
        page = path.read_text(encoding="utf-8")
        assert not re.search(r'<(script|link)[^>]+(src|href)="https?:', page), f"{path} needs a network"
        article = re.search(r"<article.*?</article>", page, re.S)[0]
        anchors |= set(re.findall(r'id="(darts_tsformers[\w.]*)"', article))
        links |= set(re.findall(r'href="(https:[^"]+)"', article))
        assert not re.search(r'<autoref|<h\d id="(parameters|attributes|returns|raises|notes|examples)', article)
        assert not re.search(r"<m\w+>\\\w", article), f"{path} has a formula that could not be read"
        text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<pre.*?</pre>", "", article, flags=re.S)))
        assert LEFTOVERS.findall(text) == [], path
    assert set(_links.LINKS.values()) <= links, "an address that no page needs"
    homes = {name: f"{thing.__module__}.{thing.__qualname__}" for name, thing in PUBLIC.items()}
    assert [name for name, home in homes.items() if not anchors & {name, home}] == []
