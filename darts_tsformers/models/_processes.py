"""Who does what where several processes train one model."""

from typing import Any

ONE_PROCESS = {"devices": 1, "num_nodes": 1, "strategy": "auto"}


def in_one_process(trainer_params: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of a trainer that keeps to the process it is made in, on the device they choose if it is one."""
    devices = trainer_params.get("devices", "auto")
    n_devices = len(devices) if isinstance(devices, list | tuple) else devices
    is_one = str(n_devices) == "1" and trainer_params.get("num_nodes", 1) == 1
    return trainer_params if is_one else trainer_params | ONE_PROCESS
