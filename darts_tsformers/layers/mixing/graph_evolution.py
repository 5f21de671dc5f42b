"""A graph between variables that evolves in training, and mixes them at each step."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class GraphEvolution(nn.Module):
    r"""Mix the variables of each step along a graph that is learnt from one that is given.

    .. math::
        E = G W + b, \qquad
        S_{ij} = \frac{E_i \cdot E_j}{|E_i|\,|E_j|}, \qquad
        S' = S \odot \Phi + \beta, \qquad
        y_t = S' x_t

    ``G`` is a graph of what goes with what, with a row for each variable, ``E_i`` the ``i``-th row of what is made of
    it, and ``S'`` the evolved graph: entry ``(i, j)`` says how much of ``x_j`` goes into ``y_i``, and may be negative.

    Parameters
    ----------
    n_variables
        Variables (``V``).
    n_graphs
        Evolved graphs (``K``), each with a ``Phi`` and a ``beta`` of its own; so many variables are put out for each.

    Attributes
    ----------
    n_heads
        Maps that are recorded of it: one, the size of the evolved graph, in rows of sum 1.
    exact_weights
        False: the map has no signs.

    Notes
    -----
    Spadon et al., "Pay Attention to Evolution: Time Series Forecasting with Deep Graph-Evolution Learning", IEEE
    Transactions on Pattern Analysis and Machine Intelligence, 2022 (Graph Soft Evolution).

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.graph_evolution import GraphEvolution
    >>> evolution = GraphEvolution(3)
    >>> embedded = evolution.embedded(torch.eye(3))
    >>> mixed = evolution(torch.randn(2, 7, 3), embedded)
    >>> mixed.shape, evolution.evolved(embedded).shape
    (torch.Size([2, 7, 3]), torch.Size([3, 3]))
    """

    n_heads: ClassVar[int] = 1
    exact_weights: ClassVar[bool] = False

    def __init__(self, n_variables: int, n_graphs: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_variables, n_variables)))
        self.bias = nn.Parameter(torch.zeros(n_variables, 1))
        self.n_graphs = n_graphs
        self.scale = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_variables * n_graphs, n_variables)))
        self.shift = nn.Parameter(torch.zeros(n_variables * n_graphs, n_variables))

    def embedded(self, graph: Float[Tensor, "V V"]) -> Float[Tensor, "V V"]:
        """Return what is made of the given graph (``E``)."""
        return graph @ self.weight + self.bias

    def evolved(self, embedded: Float[Tensor, "V V"]) -> Float[Tensor, "VK V"]:
        """Return the evolved graphs (``S'``), those of one variable next to each other."""
        rows = F.normalize(embedded, dim=-1)
        cosines = rows @ rows.mT
        return cosines.repeat_interleave(self.n_graphs, dim=0) * self.scale + self.shift

    def forward(self, x: Float[Tensor, "*B V"], embedded: Float[Tensor, "V V"]) -> Float[Tensor, "*B VK"]:
        """Mix the variables."""
        return x @ self.evolved(embedded).mT
