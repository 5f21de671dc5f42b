"""The README says what is so: its snippets run. That its tables are current is a test of the pages."""

import re
from pathlib import Path

import pandas as pd
import pytest

from darts_tsformers.capabilities import capability_table, to_markdown

README = (Path(__file__).parents[1] / "README.md").read_text()
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


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_snippets_run_in_order(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    assert len(SNIPPETS) == 6
    for snippet in SNIPPETS:
        exec(compile(snippet, "README.md", "exec"), names)
    assert "shape: (22, 1, 1)" in capsys.readouterr().out
