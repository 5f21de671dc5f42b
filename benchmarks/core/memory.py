"""How much memory a turn takes at most."""

from collections.abc import Callable

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile


def peak_megabytes(step: Callable[[], object], device: str) -> dict[str, float]:
    """Return the largest total of the tensors alive beyond those a turn begins with, and the growth of the process.

    The first does not depend on the allocator and is compared; the second is what a machine must have.
    """
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return {"tensors": (torch.cuda.max_memory_allocated() - before) / 1e6}
    return {"tensors": tensor_megabytes(step), "process": process_megabytes(step)}


def tensor_megabytes(step: Callable[[], object]) -> float:
    """Add up what the allocator of PyTorch hands out and takes back."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    changes = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = np.cumsum([event.nbytes() for event in sorted(changes, key=lambda event: event.start_ns())])
    return float(held.max(initial=0)) / 1e6


def process_megabytes(step: Callable[[], object]) -> float:
    """Ask the operating system (Linux) for the high-water mark of what is resident."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = _status("VmRSS")
    step()
    return (_status("VmHWM") - before) / 1e3


def _status(name: str) -> int:
    """Return an entry of the status of the process, in kB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
