"""The README says what is so: its snippets run, its table is the classes' own."""

import re
from pathlib import Path

import pytest

from darts_tsformers.capabilities import capability_table, to_markdown

README = (Path(__file__).parents[1] / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_the_capability_table_is_current():
    section = re.search(r"<!-- capabilities[^>]*-->\n(.*?)\n<!-- /capabilities -->", README, re.S)
    assert section is not None
    assert section.group(1) == to_markdown(capability_table())


def test_every_model_takes_every_kind_of_data():
    depends_on_the_architecture = ["other widths", "`attention=`", "`train_variates=`"]
    assert capability_table().drop(columns=depends_on_the_architecture).all(axis=None)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_snippets_run_in_order(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert len(SNIPPETS) == 6
    for snippet in SNIPPETS:
        exec(compile(snippet, "README.md", "exec"), names)
    assert "shape: (22, 1, 1)" in capsys.readouterr().out
