import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import pytorch_lightning as pl
import torch
from torch import Tensor

from darts_tsformers.attention import registry
from darts_tsformers.networks._network import NETWORKS
from darts_tsformers.window import Sizes, Window


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draw normal values from a generator of their own."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@torch.no_grad()
def scatter_(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Draw all parameters anew: a zero or a one at the start would hide an error."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        fan_in = parameter.shape[-1] if parameter.ndim > 1 else 4
        parameter.copy_((parameter == 1) + fan_in**-0.5 * torch.randn(parameter.shape, generator=generator))
    return module


def exactly(message: str) -> str:
    """Match a message from its first to its last letter."""
    return f"^{re.escape(message)}$"


def assert_same_with_gradients(ours: Tensor, theirs: Tensor, inputs: Sequence[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs)
    probe = draw(*theirs.shape, seed=1, dtype=theirs.dtype)
    gradients = [torch.autograd.grad((out * probe).sum(), inputs, materialize_grads=True) for out in (ours, theirs)]
    for our_gradient, their_gradient in zip(*gradients, strict=True):
        torch.testing.assert_close(our_gradient, their_gradient)


@contextmanager
def registries_as_before() -> Iterator[None]:
    """Forget afterwards which mechanisms and networks the block has named."""
    with patch.dict(registry._MECHANISMS), patch.dict(NETWORKS):
        yield


@contextmanager
def watch_sizes() -> Iterator[list[int]]:
    """Collect the number of elements of each tensor that a torch function returns inside the block."""
    sizes: list[int] = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            sizes.extend(t.numel() for t in (out if isinstance(out, tuple) else [out]) if isinstance(t, Tensor))
            return out

    with Watch():
        yield sizes


def count_dropouts(module: torch.nn.Module) -> dict[str, int]:
    """Count from here on how often each dropout of a module is applied, by name."""
    calls = {name: 0 for name, part in module.named_modules() if isinstance(part, torch.nn.Dropout)}

    def count(name: str) -> None:
        calls[name] += 1

    for name in calls:
        module.get_submodule(name).register_forward_hook(lambda *_, name=name: count(name))
    return calls


def make_window(sizes: Sizes, batch: int = 3, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Window:
    """Draw a window with all the covariates that the sizes name."""

    def part(k: int, length: int, width: int) -> Tensor | None:
        return draw(batch, length, width, seed=10 * seed + k, dtype=dtype) if width else None

    level = 3 * draw(batch, 1, sizes.n_targets, seed=10 * seed, dtype=dtype)
    return Window(
        target=level + draw(batch, sizes.input_length, sizes.n_targets, seed=10 * seed + 1, dtype=dtype),
        past=part(2, sizes.input_length, sizes.n_past),
        historic_future=part(3, sizes.input_length, sizes.n_future),
        future=part(4, sizes.output_length, sizes.n_future),
        static=part(5, sizes.n_targets, sizes.n_static),
    )


def rows(window: Window, index: Tensor | slice) -> Window:
    """Take some samples of a window."""
    return Window(**{name: None if t is None else t[index] for name, t in vars(window).items()})


class Rates(pl.Callback):
    """Notes the learning rate at the start of each epoch and of each step."""

    def __init__(self) -> None:
        self.of_epochs: list[float] = []
        self.of_steps: list[float] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.of_epochs.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        self.of_steps.append(trainer.optimizers[0].param_groups[0]["lr"])
