"""What editors and type checkers know of names that files give: ``python -m darts_tsformers.stubs``."""

from collections.abc import Mapping
from pathlib import Path

from darts_tsformers import networks
from darts_tsformers.catalogue import by_model_name
from darts_tsformers.sktime._stub import stub as sktime_stub

PACKAGE = Path(__file__).parent
NOTE = "# Written by `python -m darts_tsformers.stubs`.\n"


def stubs() -> Mapping[Path, str]:
    """Return the content of each stub file by its path."""
    models = {name: entry.module for name, entry in by_model_name().items()}
    functions = {
        "diagnose": "darts_tsformers.diagnosis",
        "explain": "darts_tsformers.explain",
        "pretrain": "darts_tsformers.adapter.pretraining",
        "recommend": "darts_tsformers.recommendation",
        "suggest_attention": "darts_tsformers.recommendation",
    }
    base = {"TSFormerModel": "darts_tsformers.adapter.base"}
    architectures = {name: getattr(networks, name).__module__ for name in vars(networks)["__all__"]}
    return {
        PACKAGE / "__init__.pyi": _stub(functions | models) + "\n__version__: str\n",
        PACKAGE / "models" / "__init__.pyi": _stub(base | models),
        PACKAGE / "networks" / "__init__.pyi": _stub(architectures),
        PACKAGE / "sktime" / "__init__.pyi": NOTE + sktime_stub(),
    }


def _stub(homes: Mapping[str, str]) -> str:
    """Write the imports of names from the modules that they are at home in."""
    imports = sorted(f"from {module} import {name} as {name}\n" for name, module in homes.items())
    return NOTE + "".join(imports)


if __name__ == "__main__":
    for path, content in stubs().items():
        path.write_text(content, encoding="utf-8")
