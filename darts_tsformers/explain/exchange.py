"""Windows in which one variable is that of other windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from darts.utils.data import TorchInferenceDataset
from darts.utils.data.torch_datasets.utils import TorchInferenceSample

PARTS = ("whole", "past", "horizon")
"""What of a variable can be exchanged: all of it, what it was over the look-back, or what it will be."""

_FIELDS = {
    "target": {"past": "past_target"},
    "past": {"past": "past_covariates"},
    "future": {"past": "historic_future_covariates", "horizon": "future_covariates"},
    "static": {"whole": "static_covariates"},
}


@dataclass(frozen=True)
class Variable:
    """One column of what a window holds.

    Attributes
    ----------
    kind
        ``"target"``, ``"past"``, ``"future"`` or ``"static"``.
    name
        Its name among those of the kind.
    column
        Its position among them.
    """

    kind: str
    name: str
    column: int

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Return the arrays of a sample that each part of the variable is in, by the parts that it has."""
        own = _FIELDS[self.kind]
        return {"whole": tuple(own.values())} | {part: (field,) for part, field in own.items()}


def variables(names: Mapping[str, Sequence[str]], n_series: int) -> Iterator[Variable]:
    """Give each variable; static ones, of which a series has but one value, only if there are several series."""
    for kind in _FIELDS:
        if kind != "static" or n_series > 1:
            for column, name in enumerate(names.get(kind, ())):
                yield Variable(kind, name, column)


def random_partners(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw for each of ``n`` windows another one, each of them once: a single cycle through all."""
    order = rng.permutation(n)
    partners = np.empty(n, dtype=int)
    partners[order] = np.roll(order, 1)
    return partners


def are_alike(samples: Sequence[TorchInferenceSample], column: int, fields: Sequence[str]) -> bool:
    """Whether a column of some arrays is the same in all windows, so that to exchange it tells nothing."""
    first, *others = ([getattr(sample, field)[..., column] for field in fields] for sample in samples)
    return all(np.array_equal(a, b, equal_nan=True) for one in others for a, b in zip(first, one, strict=True))


class Exchanged(TorchInferenceDataset):
    """Windows in which one column of some arrays comes from their partners.

    Parameters
    ----------
    samples
        The windows as they are.
    partners
        Position of the window that each takes the column from.
    column
        What is exchanged.
    fields
        In which arrays; none leaves the windows as they are.
    """

    def __init__(
        self,
        samples: Sequence[TorchInferenceSample],
        partners: np.ndarray,
        column: int = 0,
        fields: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._samples = samples
        self._partners = partners
        self._column = column
        self._fields = fields

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> TorchInferenceSample:
        """Return one window."""
        sample, partner = self._samples[index], self._samples[self._partners[index]]
        changed = {}
        for field in self._fields:
            values = getattr(sample, field).copy()
            values[..., self._column] = getattr(partner, field)[..., self._column]
            changed[field] = values
        return replace(sample, **changed)
