"""Which parameters train on."""

from fnmatch import fnmatch
from typing import TypeAlias

from torch import nn

Choice: TypeAlias = bool | dict[str, list[str]] | None


def check_patterns(module: nn.Module, enable_finetuning: Choice) -> None:
    """Raise ``ValueError`` if a pattern of ``enable_finetuning`` fits no parameter: nothing would be trained by it."""
    if not isinstance(enable_finetuning, dict):
        return
    names = [name for name, _ in module.named_parameters()]
    for pattern in next(iter(enable_finetuning.values())):
        if not any(fnmatch(name, pattern) for name in names):
            some = ", ".join(names[:3])
            raise ValueError(
                f"enable_finetuning={enable_finetuning!r}: {pattern!r} must fit a parameter, such as {some}"
            )


def require_learning(module: nn.Module, enable_finetuning: Choice, training: str) -> None:
    """Raise ``ValueError`` if the patterns of ``enable_finetuning`` freeze everything that a training trains."""
    if isinstance(enable_finetuning, dict) and not any(weight.requires_grad for weight in module.parameters()):
        raise ValueError(f"enable_finetuning={enable_finetuning!r} freezes all weights that {training} trains")
