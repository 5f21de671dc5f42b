"""The README says what is so: its snippets run. That its tables are current is a test of the pages."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import headline
from benchmarks.core.store import RESULTS, load
from benchmarks.registry import BENCHMARKS
from darts_tsformers.capabilities import capability_table, to_markdown
from darts_tsformers.catalogue import by_model_name

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_every_model_takes_every_kind_of_data():
    depends_on_the_architecture = [
        "another number of targets at prediction",
        "streams",
        "`attention=`",
        "`train_variates=`",
    ]
    assert capability_table().drop(columns=depends_on_the_architecture).all(axis=None)


def test_what_every_model_can_is_told_once():
    table = pd.DataFrame(
        {"this": [True, True], "that": [True, False], "more": [True, True]}, index=["AModel", "BModel"]
    )
    assert to_markdown(table).splitlines() == [
        "| model | that |",
        "| --- | :-: |",
        "| `AModel` | ✓ |",
        "| `BModel` | – |",
        "",
        "Every model has or takes: this, more.",
    ]


def test_it_is_short_and_begins_with_a_picture():
    assert len(README.split()) < 900
    assert README.index("](docs/images/forecast.png)") < README.index("```")


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\((?!https:)([^)#]+)(?:#[^)]*)?\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_links_are_absolute_where_it_is_published():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    published = README
    for change in pyproject["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        published = re.sub(change["pattern"], change["replacement"], published)
    home = pyproject["project"]["urls"]["Repository"]
    assert f"]({home}/blob/main/docs/guides/faq.md)" in published
    assert f"]({home}/raw/main/docs/images/forecast.png)" in published
    assert re.findall(r"\]\((?!https:)", published) == []
    assert f"repo_url: {home}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_a_training_step_is_faster_than_the_fastest_peer():
    results = {name: load(RESULTS / "cpu" / f"{name}.json") for name in BENCHMARKS}
    shares = [headline.of_fastest_peer(name, "step", results) for name in headline.MODELS]
    assert max(share for share in shares if share is not None) < 1


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"(?<![-\d])\d+\.\d+", text)]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_snippets_run_in_order_and_print_what_is_shown(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    printed = []
    for snippet in SNIPPETS:
        exec(compile(snippet, "README.md", "exec"), names)
        printed.append(capsys.readouterr().out)
    shown = README.partition(SNIPPETS[0])[2].split("```")[2]
    first, ranked, explained = printed
    assert numbers(first)[-4:] == pytest.approx(numbers(shown), abs=0.3)
    assert len(numbers(shown)) == 4
    assert ranked.strip() in by_model_name()
    assert "PatchTSTModel" in explained
