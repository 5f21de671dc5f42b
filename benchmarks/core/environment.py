"""Where figures come from."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ["darts-tsformers", "torch", "darts", "pytorch-lightning", "numpy", "neuralforecast", "transformers"]


def environment(device: str) -> dict[str, str | int]:
    """Describe machine and versions."""
    versions = {name: found for name in PACKAGES if (found := _version(name))}
    machine = {"processor": _processor(), "cores": os.cpu_count() or 0, "system": platform.system()}
    return machine | {"device": _device(device), "python": platform.python_version()} | versions


def moment() -> dict[str, str | float]:
    """Return the time, how busy the machine is, and its processor: a run may go on at another."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"at": now, "load": os.getloadavg()[0], "processor": _processor()}


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
