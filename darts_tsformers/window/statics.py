"""Static covariates as numbers: real ones in units of the training part, categories through embeddings."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.window.units import Unit


class Category(NamedTuple):
    """A categorical static covariate.

    Attributes
    ----------
    column
        Its place among the static covariates.
    cardinality
        Number of categories; their codes are ``0 .. cardinality - 1``.
    width
        Width of its embedding.
    """

    column: int
    cardinality: int
    width: int


class StaticFeatures(nn.Module):
    """Replace each categorical column by its embedding; a missing number is 0, as the mean of the training part is.

    Parameters
    ----------
    n_static
        Static covariates, categorical ones included.
    categories
        The categorical ones.
    """

    def __init__(self, n_static: int, categories: Sequence[Category] = ()) -> None:
        super().__init__()
        for category in categories:
            require_at_least(1, cardinality=category.cardinality, width=category.width)
        self.categories = tuple(categories)
        self.embeddings = nn.ModuleList(nn.Embedding(c.cardinality, c.width) for c in self.categories)
        categorical = {c.column for c in self.categories}
        self.numeric = [column for column in range(n_static) if column not in categorical]
        self.unit = Unit(len(self.numeric))
        self.n_features = len(self.numeric) + sum(c.width for c in self.categories)

    def forward(self, static: Float[Tensor, "B V S"]) -> Float[Tensor, "B V R"]:
        """Return the real-valued features."""
        parts = [self.unit(static[..., self.numeric]).nan_to_num(nan=0.0)]
        for category, embedding in zip(self.categories, self.embeddings, strict=True):
            parts.append(embedding(static[..., category.column].long()))
        return torch.cat(parts, dim=-1)
