"""Whether PyTorch runs operations, or writes them down."""

import torch


def is_traced() -> bool:
    """Whether operations are being written down, for a compiler or an export, rather than run."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
