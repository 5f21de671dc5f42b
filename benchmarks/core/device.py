"""The default device, which the process of a case sets, and what does not heed it by itself."""

from contextlib import AbstractContextManager, nullcontext

import torch


def accelerator() -> str:
    """Return what Lightning calls the kind of the default device."""
    return "cpu" if torch.get_default_device().type == "cpu" else "gpu"


def on_processor() -> AbstractContextManager[object]:
    """Make tensors on the processor inside: loaders draw the order of windows there, and Lightning moves batches."""
    device = torch.get_default_device()
    return nullcontext() if device.type == "cpu" else torch.device("cpu")
