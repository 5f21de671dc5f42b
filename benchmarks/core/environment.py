"""When and where figures come from."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ["darts-tsformers", "torch", "darts", "pytorch-lightning", "numpy", "neuralforecast", "transformers"]
ROOT = Path(__file__).parents[2]
CODE = ["benchmarks", "darts_tsformers", ":!benchmarks/results", ":!benchmarks/report"]
"""What is measured, and what measures."""


def circumstances(device: str) -> dict[str, Any]:
    """Return the time, how busy the machine is, and the environment: a run may go on at another machine."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"at": now, "load": os.getloadavg()[0], "environment": environment(device)}


def environment(device: str) -> dict[str, str | int]:
    """Describe machine, versions and commit; what is not known is left out."""
    versions = {name: found for name in PACKAGES if (found := _version(name))}
    machine = {"processor": _processor(), "cores": os.cpu_count() or 0, "system": platform.system()}
    measured = {"commit": found} if (found := commit(ROOT)) else {}
    return machine | {"device": _device(device), "python": platform.python_version()} | versions | measured


def commit(root: Path) -> str | None:
    """Return the commit of a checkout, with a plus where its code differs from it; None where there is none."""
    try:
        head = _git(root, "rev-parse", "--short", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--", *CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    """Ask git about a folder, not about those that it may lie in."""
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    surroundings = os.environ | {"GIT_CEILING_DIRECTORIES": str(root.parent)}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _device(device: str) -> str:
    if device == "cpu":
        return device
    import torch

    return torch.cuda.get_device_name()
