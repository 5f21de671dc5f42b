"""Maps of many variables at once, each by weights of its own."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Map(NamedTuple):
    """A linear map, as a function takes it."""

    weight: Float[Tensor, "d m"]
    bias: Float[Tensor, " d"]


class Lines(NamedTuple):
    """For each of ``m`` numbers a straight line ``x * slope + intercept`` in a space of width ``k``.

    What a linear layer makes of a number embedded by a linear layer is another line: two products give it, whatever
    the number of rows.
    """

    slope: Float[Tensor, "m k"]
    intercept: Float[Tensor, "m k"]

    def at(self, numbers: Float[Tensor, "m N 2"]) -> Float[Tensor, "m N k"]:
        """Return the points at which the numbers, see :func:`with_ones`, stand on their lines."""
        return torch.bmm(numbers, torch.stack(self, dim=1))

    def through(self, linear: nn.Linear) -> Map:
        """Return the map of the numbers that embeds them, lays them side by side and maps them."""
        weight = linear.weight.view(-1, *self.slope.shape)
        slope, intercept = (torch.einsum("dmk,mk->dm", weight, t) for t in self)
        return Map(slope, intercept.sum(1) + linear.bias)


def with_ones(x: Float[Tensor, "m N"]) -> Float[Tensor, "m N 2"]:
    """Set a one beside each number: the product with slope and intercept is its place on a line."""
    return torch.stack([x, torch.ones_like(x)], dim=-1)


class NumberEmbedding(nn.Module):
    """A straight line for each variable: ``Linear(1, k)``, ``m`` at once."""

    def __init__(self, n_variables: int, width: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.empty(n_variables, width).uniform_(-1, 1))
        self.intercept = nn.Parameter(torch.empty(n_variables, width).uniform_(-1, 1))

    def lines(self, first: int = 0) -> Lines:
        """Return the embeddings of the variables from ``first`` on."""
        return Lines(self.slope[first:], self.intercept[first:])


class GroupedLinear(nn.Module):
    """One linear map for each of ``n_groups`` groups (``m``)."""

    def __init__(self, n_groups: int, d_in: int, d_out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(d_in)
        self.weight = nn.Parameter(torch.empty(n_groups, d_in, d_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_groups, d_out).uniform_(-bound, bound))

    def forward(self, x: Float[Tensor, "m N d_in"]) -> Float[Tensor, "m N d_out"]:
        """Map each group."""
        return torch.baddbmm(self.bias[:, None], x, self.weight)

    def along(self, lines: Lines) -> Lines:
        """Return the lines that the map makes of lines."""
        slope, intercept = (torch.einsum("mk,mkd->md", t, self.weight) for t in lines)
        return Lines(slope, intercept + self.bias)
