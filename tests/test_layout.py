"""The rooms of the package, and the files within them, depend on each other in one direction only."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import darts_tsformers

PACKAGE = Path(darts_tsformers.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
STOREYS = [
    {"catalogue", "checks", "docstrings", "execution", "seasonality"},
    {"attention", "diffusion", "recurrence", "window"},
    {"recording"},
    {"language", "layers"},
    {"networks"},
    {"pretrained", "pretraining"},
    {"adapter"},
    {"models", ""},
    {"capabilities", "compression", "diagnosis", "explain", "recommendation", "refinement", "sktime"},
    {"data", "panels", "tuning", "workflow", "serving"},
    {"__main__", "cli", "demo", "demo_data", "stubs"},
]
"""From the ground up; '' is the package's own file, which names the models."""
PURE = set().union(*STOREYS[:5]) - {"catalogue", "seasonality"} | {"pretraining"}
EXTRAS = {"mlflow", "onnx", "onnxruntime", "onnxscript", "optuna", "peft", "ray", "transformers"}
HEAVY = {"darts", "pytorch_lightning", "lightning", "pandas", "sklearn", "matplotlib"}


def storey(room: str) -> int:
    (found,) = [height for height, rooms in enumerate(STOREYS) if room in rooms]
    return found


def dotted(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    """Return the room of a dotted name: the folder or file right below the package, or '' for the package itself."""
    first = name.split(".")[1] if "." in name else ""
    return first if (PACKAGE / first).is_dir() or (PACKAGE / f"{first}.py").is_file() else ""


def imported(file: Path, *, at_once: bool = False) -> set[str]:
    """Return the dotted names that a file imports: at once when it is imported itself, or anywhere in it."""
    names = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{dotted(file)} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


every_file = pytest.mark.parametrize("file", FILES, ids=dotted)


def neighbours(file: Path) -> set[str]:
    """Return the other rooms that a file imports from."""
    rooms = {room(name) for name in imported(file) if name.split(".")[0] == "darts_tsformers"}
    return rooms - {room(dotted(file))}


@every_file
def test_a_file_imports_from_lower_rooms(file):
    own = room(dotted(file))
    assert {other for other in neighbours(file) if storey(other) > storey(own)} == set()


def test_no_two_rooms_need_each_other():
    needs: dict[str, set[str]] = {}
    for file in FILES:
        needs.setdefault(room(dotted(file)), set()).update(neighbours(file))
    TopologicalSorter(needs).prepare()


def test_no_two_files_need_each_other():
    names = {dotted(file) for file in FILES}
    packages = {dotted(file) for file in FILES if file.name == "__init__.py"}

    def home(name: str) -> str:
        while name not in names:
            name = name.rpartition(".")[0]
        return name

    needs = {}
    for file in FILES:
        if dotted(file) not in packages:
            found = {home(name) for name in imported(file) if name.split(".")[0] == "darts_tsformers"}
            needs[dotted(file)] = found - packages - {dotted(file)}
    TopologicalSorter(needs).prepare()


@every_file
def test_no_file_is_long(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("file", [file for file in FILES if room(dotted(file)) in PURE], ids=dotted)
def test_mechanisms_layers_and_networks_are_pure_pytorch(file):
    assert not HEAVY & {name.split(".")[0] for name in imported(file)}


@every_file
def test_an_extra_is_imported_on_demand(file):
    assert not EXTRAS & {name.split(".")[0] for name in imported(file, at_once=True)}


@pytest.mark.parametrize("name", ["attention", "language", "models", "networks", "recurrence"])
def test_a_fresh_process_loads_no_darts(name):
    code = f"import sys, darts_tsformers.{name}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
