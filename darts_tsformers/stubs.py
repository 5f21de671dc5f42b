"""What editors and type checkers know of names that are imported on first use: ``python -m darts_tsformers.stubs``."""

from collections.abc import Mapping
from pathlib import Path

from darts_tsformers.catalogue import by_model_name
from darts_tsformers.sktime._stub import stub

PACKAGE = Path(__file__).parent
NOTE = "# Written by `python -m darts_tsformers.stubs`.\n"


def stubs() -> Mapping[Path, str]:
    """Return the content of each stub file by its path."""
    models = [_import(entry.module, name) for name, entry in by_model_name().items()]
    base = _import("darts_tsformers.adapter.base", "TSFormerModel")
    functions = [
        _import("darts_tsformers.diagnosis", "diagnose"),
        _import("darts_tsformers.recommendation", "recommend"),
    ]
    return {
        PACKAGE / "__init__.pyi": NOTE + "".join(sorted([*functions, *models])) + "\n__version__: str\n",
        PACKAGE / "models" / "__init__.pyi": NOTE + "".join(sorted([base, *models])),
        PACKAGE / "sktime" / "__init__.pyi": NOTE + stub(),
    }


def _import(module: str, name: str) -> str:
    return f"from {module} import {name} as {name}\n"


if __name__ == "__main__":
    for path, content in stubs().items():
        path.write_text(content, encoding="utf-8")
