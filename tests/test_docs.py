"""The pages say what is so: their code runs, their figures are the measured ones, and they build without a warning."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import darts_tsformers
from darts_tsformers.catalogue import forecasters
from darts_tsformers.cli import _parser
from docs import _figures
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
SECTIONS = ["Covariates", "What it explains", "Checked against", "Cost", "Example", "Class"]
LEFTOVERS = re.compile(r":(?:class|func|meth|mod|data|attr|math):|\.\. \w+::|``|\$\$|\| *--|~darts_tsformers")


def nav() -> list[str]:
    """Return the pages that the navigation names."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return re.findall(r": (\S+\.md)$", text[text.index("\nnav:") :], re.M)


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


def test_every_page_is_in_the_navigation():
    assert sorted(nav()) == sorted(PAGES)


@pytest.mark.parametrize("model", darts_tsformers.__all__)
def test_every_model_has_a_page(model):
    (text,) = [text for text in MODEL_PAGES.values() if f"\n::: darts_tsformers.{model}\n" in text]
    assert re.findall(r"^## (.+)$", text, re.M) == SECTIONS
    assert "\n$$\n" in text
    assert all(f"\n| {kind} | " in text for kind in ("past", "future", "static"))
    assert "<!-- figures: " in text


@pytest.mark.parametrize("page", sorted(MODEL_PAGES))
def test_a_page_tells_how_many_golden_files_there_are(page):
    n_files = len(golden_names(Path(page).stem))
    assert re.findall(r"\b(\d+) golden files", PAGES[page]) == ([str(n_files)] if n_files else [])


@pytest.mark.parametrize("page", PAGES)
def test_the_figures_of_a_page_are_the_measured_ones(page):
    assert _figures.filled(PAGES[page]) == PAGES[page], "python -m docs._figures writes them anew"


def test_every_table_of_figures_is_on_a_page():
    used = {name for text in PAGES.values() for name in re.findall(r"<!-- figures: (\w+) -->", text)}
    assert used == set(_figures.TABLES)


def test_the_command_line_page_has_every_option_and_no_other():
    (commands,) = [action for action in _parser()._actions if action.dest == "command"]
    options = {option for action in commands.choices["forecast"]._actions for option in action.option_strings}
    page = PAGES["guides/cli.md"]
    assert set(re.findall(r"--[a-z][a-z-]+", page)) - {"--version"} == options - {"-h"}
    assert all(f"`{name}`" in page for name in forecasters())


def test_the_site_builds_without_a_warning_and_shows_no_markup(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    anchors = set()
    for path in sorted(tmp_path.rglob("index.html")):
        article = re.search(r"<article.*?</article>", path.read_text(encoding="utf-8"), re.S)[0]
        anchors |= set(re.findall(r'id="(darts_tsformers[\w.]*)"', article))
        assert not re.search(r'<autoref|<h\d id="(parameters|attributes|returns|raises|notes|examples)', article)
        text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<pre.*?</pre>", "", article, flags=re.S)))
        assert LEFTOVERS.findall(text) == [], path
    homes = {name: f"{thing.__module__}.{thing.__qualname__}" for name, thing in PUBLIC.items()}
    assert [name for name, home in homes.items() if not anchors & {name, home}] == []
