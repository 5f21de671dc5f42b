"""The notebooks are kept as a reader wants them: run, clean and small. `make notebooks` runs them."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PATHS = re.compile(r"/(home|root|tmp|usr|opt|work|Users|mnt)/|[A-Z]:\\\\|site-packages|ipykernel_")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_they_are_numbered_and_the_readme_lists_each():
    readme = (ROOT / "README.md").read_text()
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{k:02}" for k in range(len(NOTEBOOKS))]
    assert [path.name for path in NOTEBOOKS if f"(notebooks/{path.name})" not in readme] == []


@every_notebook
def test_it_was_run_from_top_to_bottom(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell.outputs) for cell in cells) >= 4


@every_notebook
def test_its_outputs_are_free_of_errors_and_noise(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"] == []


@every_notebook
def test_nothing_in_it_is_of_one_machine(path):
    notebook = nbformat.read(path, as_version=4)
    text = path.read_text()
    pictures = re.compile(r'"image/png": "[^"]*"')
    assert PATHS.findall(pictures.sub("", text)) == []
    assert [cell.metadata for cell in notebook.cells if cell.metadata] == []
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata.language_info) == {"name"}


@every_notebook
def test_it_claims_nothing_unchecked_and_is_small(path):
    assert any(re.search(r"^ *assert ", cell.source, re.M) for cell in code_cells(path))
    assert path.stat().st_size < 400 * 1024


@every_notebook
def test_its_links_lead_somewhere(path):
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    assert [link for link in links if not (path.parent / link).exists()] == []
