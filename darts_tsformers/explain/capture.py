"""Run a forecast under recording, and take what each pass of the network leaves."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from darts.utils.data.torch_datasets.utils import PLModuleInput, PLModuleOutput
from torch import Tensor, nn

from darts_tsformers.explain.store import Folder, Stack
from darts_tsformers.networks import Network
from darts_tsformers.recording import Entry, recording
from darts_tsformers.recording.passes import watching

T = TypeVar("T")

FORECAST = "forecast"
"""Where what belongs to the whole forecast, and to no layer, is kept."""


class Capture:
    """What was recorded over all passes, by kind, module path and name, one row a window.

    Parameters
    ----------
    module
        Whose passes to watch: it takes Darts' inputs, and gives the forecast in data units.
    network
        The network in it, which says what its tokens stand for.
    kinds
        What to record.
    max_windows
        Windows to hold in memory.

    Attributes
    ----------
    passes
        Number of windows in each pass, in their order.
    modules
        The modules that recorded something, by path.
    folder
        Where windows beyond ``max_windows`` are; they are gone when it is.
    """

    def __init__(self, module: nn.Module, network: Network, kinds: Iterable[str], max_windows: int) -> None:
        self._module = module
        self._kinds = tuple(kinds)
        self._max_windows = max_windows
        self._paths: dict[nn.Module, str] = {part: path for path, part in network.named_modules()}
        self._per_component = {path for path, layout in network.layouts().items() if layout.per_component}
        self._stacks: dict[tuple[str, str, str], Stack] = {}
        self.passes: list[int] = []
        self.modules: dict[str, nn.Module] = {}
        self.folder = Folder()

    def run(self, forecast: Callable[[], T]) -> T:
        """Forecast, and keep what is recorded."""
        with recording(*self._kinds) as record:

            def take(_: nn.Module, inputs: Sequence[PLModuleInput], out: PLModuleOutput) -> None:
                target = inputs[0].past_target
                self.passes.append(len(target))
                for kind, entries in record.items():
                    for path, tensors in self._joined(kind, entries):
                        if kind == "trend":
                            tensors["forecast"] = out.prediction
                        self._keep(kind, path, tensors, n_components=target.shape[-1])
                    entries.clear()

            with watching(self._module, take):
                return forecast()

    def arrays(self) -> dict[str, dict[str, dict[str, np.ndarray]]]:
        """Return the arrays, by kind, path and name."""
        found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
        for (kind, path, name), stack in self._stacks.items():
            found.setdefault(kind, {}).setdefault(path, {})[name] = stack.array()
        return found

    def _joined(self, kind: str, entries: list[Entry]) -> list[tuple[str, dict[str, Tensor]]]:
        """Join the rows of layers that went row by row."""
        by_path: dict[str, list[Entry]] = {}
        for entry in entries:
            path = self._paths.get(entry.module, FORECAST) or FORECAST
            self.modules[path] = entry.module
            by_path.setdefault(path, []).append(entry)
        if kind not in ("attention", "routing"):
            return [(path, dict(parts[-1].tensors)) for path, parts in by_path.items()]
        return [(path, {"weights": _rows(parts)}) for path, parts in by_path.items()]

    def _keep(self, kind: str, path: str, tensors: dict[str, Tensor], *, n_components: int) -> None:
        for name, tensor in tensors.items():
            if path in self._per_component:
                tensor = tensor.reshape(-1, n_components, *tensor.shape[1:])
            stack = self._stacks.setdefault((kind, path, name), Stack(self._max_windows, self.folder))
            stack.add(_to_numpy(tensor))


def _rows(parts: list[Entry]) -> Tensor:
    """Join rows; keys that came after a part was read have no weight in it."""
    weights = [part.tensors["weights"] for part in parts]
    width = max(one.shape[-1] for one in weights)
    return torch.cat([F.pad(one, (0, width - one.shape[-1])) for one in weights], dim=-2)


def _to_numpy(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def windows_of_passes(passes: Sequence[int], n_rolls: int) -> list[tuple[int, int]]:
    """Say for each row recorded which window it is of, and which of the ``n_rolls`` passes over that window."""
    rows, first = [], 0
    for n_windows in passes[::n_rolls]:
        rows += [(first + i, roll) for roll in range(n_rolls) for i in range(n_windows)]
        first += n_windows
    return rows
