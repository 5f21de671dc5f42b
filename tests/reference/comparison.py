"""Our outputs and gradients beside those of a golden file."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

import torch
from torch import Tensor

from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, cosine

ABSOLUTE, RELATIVE, FLOAT32 = 1e-10, 1e-9, 2e-5  # of outputs; of those that are in float32 in the reference
GRADIENT, FINGERPRINT = 1e-8, 1e-7

T = TypeVar("T")


@dataclass(frozen=True)
class Comparison:
    """One array: ``key`` is ``out/NAME``, ``f32/NAME`` or ``grad/NAME``."""

    key: str
    difference: float
    tolerance: float

    @property
    def met(self) -> bool:
        return self.difference <= self.tolerance


def compare(golden: Golden, mapping: Mapping) -> list[Comparison]:
    """Run our object and compare all that the file holds, unless the mapping leaves it out.

    Raises
    ------
    ValueError
        If something is missing or of another shape, or if nothing is left to compare.
    """
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # so that what a module computes when built is as exact as its weights
    try:
        ours = mapping.run(golden)
        comparisons = [*_outputs(golden, mapping, ours), *_gradients(golden, mapping, ours)]
    finally:
        torch.set_default_dtype(default)
    if not comparisons:
        raise ValueError("nothing to compare: all is left out")
    return comparisons


def fingerprint(gradient: Tensor) -> Tensor:
    return torch.stack([gradient.sum(), gradient.norm(), cosine(gradient)])


def difference(key: str, ours: Tensor, theirs: Tensor, scale: Tensor | float) -> float:
    """Return the largest difference over ``scale``; what is not a number equals only its like."""
    if ours.shape != theirs.shape:
        raise ValueError(f"{key} has shape {tuple(ours.shape)} instead of {tuple(theirs.shape)}")
    ours, theirs = ours.detach().double(), theirs.double()
    same = (ours == theirs) | (ours.isnan() & theirs.isnan())
    gaps = ((ours - theirs).abs() / scale).nan_to_num(nan=torch.inf)
    return gaps.masked_fill(same, 0.0).max().item()


def _outputs(golden: Golden, mapping: Mapping, ours: Ours) -> Iterator[Comparison]:
    usual = RELATIVE if golden.relative else ABSOLUTE
    for kind, expected, tolerance in (("out", golden.outputs, usual), ("f32", golden.float32, FLOAT32)):
        for name, theirs in expected.items():
            key = f"{kind}/{name}"
            if name in ours.outputs:
                scale = 1 + theirs.double().abs() if golden.relative else 1.0
                gap = difference(key, ours.outputs[name], theirs, scale)
                yield Comparison(key, gap, _first(mapping.tolerances, key, tolerance))
            elif _first(mapping.left_out, key, None) is None:
                raise ValueError(f"the mapping gives no {key}")


def _gradients(golden: Golden, mapping: Mapping, ours: Ours) -> Iterator[Comparison]:
    """Differentiate each objective by all leaves of its gradients at once."""
    names = [
        name
        for name in [*golden.gradients, *golden.fingerprints]
        if _first(mapping.left_out, f"grad/{name}", None) is None
    ]
    for prefix in sorted({_prefix(name) for name in names}):
        group = [name for name in names if _prefix(name) == prefix]
        leaves = [_leaf(golden, ours, name) for name in group]
        gradients = torch.autograd.grad(
            _objective(golden, ours, prefix), leaves, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for name, gradient in zip(group, gradients, strict=True):
            key = f"grad/{name}"
            if name in golden.gradients:
                theirs, tolerance = golden.gradients[name], GRADIENT
                scale = theirs.abs().max().item() or 1.0
            else:
                theirs, tolerance = golden.fingerprints[name], FINGERPRINT
                gradient, scale = fingerprint(gradient), 1 + theirs.abs()
            yield Comparison(key, difference(key, gradient, theirs, scale), _first(mapping.tolerances, key, tolerance))


def _objective(golden: Golden, ours: Ours, prefix: str) -> Tensor:
    """Return the mapping's objective; by default the sum of the outputs times their weights."""
    if prefix in ours.objectives:
        return ours.objectives[prefix]
    if prefix or not golden.weights:
        raise ValueError(f"the mapping gives no objective {prefix!r}")
    if missing := golden.weights.keys() - ours.outputs.keys():
        raise ValueError(f"gradients are of outputs that the mapping does not give: {sorted(missing)}")
    return sum((ours.outputs[name] * weight).sum() for name, weight in golden.weights.items())


def _prefix(name: str) -> str:
    return name.partition(":")[0] if ":" in name else ""


def _leaf(golden: Golden, ours: Ours, name: str) -> Tensor:
    for leaves, known in ((ours.leaves, name), (golden.leaves, name), (golden.leaves, name.partition(":")[2])):
        if known in leaves:
            return leaves[known]
    raise ValueError(f"grad/{name} is of no input or weight of the file, and the mapping gives no such leaf")


def _first(patterns: dict[str, T], key: str, default: T) -> T:
    return next((value for pattern, value in patterns.items() if fnmatchcase(key, pattern)), default)
