"""Results as JSON: a file a benchmark, written anew after each point so that a stop loses at most one."""

import json
import os
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


def load(path: Path) -> dict[str, Any]:
    """Return what is there, or nothing."""
    return json.loads(path.read_text()) if path.exists() else {}


def save(path: Path, results: dict[str, Any]) -> None:
    """Write all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(temporary, path)
