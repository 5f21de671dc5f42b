"""Run the notebooks anew and keep them clean: outputs, but no times of execution and nothing of the machine.

python notebooks/refresh.py                  # all
python notebooks/refresh.py notebooks/00*    # some
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def refresh(path: Path) -> None:
    """Run a notebook from its own folder and write it back; one that fails is left as it was."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, coalesce_streams=True, record_timing=False)
    client.execute(cwd=str(path.parent))
    notebook.metadata = METADATA
    for position, cell in enumerate(notebook.cells):
        cell.id = f"cell-{position}"
        cell.metadata = {}
    nbformat.write(notebook, path)


def main() -> None:
    """Refresh the notebooks named on the command line, or all."""
    for path in [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb")):
        start = time.perf_counter()
        refresh(path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
