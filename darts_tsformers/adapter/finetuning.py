"""Which parameters train on."""

from fnmatch import fnmatch

from torch import nn


def check_patterns(module: nn.Module, enable_finetuning: bool | dict[str, list[str]] | None) -> None:
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
