"""Which variables matter: a softmax over variables, each through a network of its own, all in one computation."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.blocks import by_blocks
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.selection.gating import NORM_EPSILON, GatedResidualNetwork
from darts_tsformers.layers.selection.grouped import GroupedLinear, Lines, Map, with_ones


class VariableSelection(nn.Module, Recomputing):
    r"""Mix variables by weights that depend on all of them.

    .. math::
        v &= \mathrm{softmax}\left(\mathrm{GRN}([\xi_1 \dots \xi_m], c)\right) \\
        \tilde\xi &= \sum_j v_j \, \mathrm{GRN}_j(\xi_j)

    A variable is a number ``x`` and its embedding a line, :math:`\xi_j = x_j w_j + b_j`. So the first map of every
    network is applied to the line and not to each embedded number: the same function of the same parameters, in which
    neither :math:`\xi` nor its concatenation, of width ``m k``, is ever formed.

    Parameters
    ----------
    n_variables
        Variables (``m``). A single one has no rivals, and no parameters that weigh it.
    d_variable
        Width of the embedding of a variable and of the maps within its network (``k``).
    d_model
        Width of the output (``D``).
    d_context
        Width of the context; 0 for none.
    dropout
        In all networks.

    Notes
    -----
    Lim et al., "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting", International
    Journal of Forecasting 37, 2021, section 4.2; there ``k = D``.
    """

    def __init__(
        self,
        n_variables: int,
        d_variable: int,
        d_model: int,
        *,
        d_context: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.weighing = (
            GatedResidualNetwork(n_variables * d_variable, d_model, n_variables, d_context=d_context, dropout=dropout)
            if n_variables > 1
            else None
        )
        self.networks = VariableNetworks(n_variables, d_variable, d_model, dropout=dropout)

    def forward(
        self, x: Float[Tensor, "B T m"], embedding: Lines, context: Float[Tensor, "B d_context"] | None = None
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T m"]]:
        """Return the mixture of each step, and the weights of its variables."""
        hidden, skip = self.networks.first_maps(embedding)
        weighing_maps = self._first_maps(embedding)

        def select(x: Float[Tensor, "B t m"]) -> tuple[Float[Tensor, "B t D"], Float[Tensor, "B t m"]]:
            weights = self._weights(x, weighing_maps, context)
            return self.networks(x, weights, hidden, skip), weights

        mixture, weights = by_blocks(select, x, recompute=self.recompute)
        return mixture, weights

    def _first_maps(self, embedding: Lines) -> tuple[Map, Map] | None:
        """Return what the weighing network first does to the numbers, for its inner maps and for its residual."""
        if self.weighing is None:
            return None
        if self.weighing.skip is None:  # of width 1, the embeddings side by side are as many as the weights
            skip = Map(embedding.slope[:, 0].diag(), embedding.intercept[:, 0])
        else:
            skip = embedding.through(self.weighing.skip)
        return embedding.through(self.weighing.hidden), skip

    def _weights(
        self, x: Float[Tensor, "B t m"], maps: tuple[Map, Map] | None, context: Float[Tensor, "B d_context"] | None
    ) -> Float[Tensor, "B t m"]:
        if self.weighing is None or maps is None:
            return torch.ones_like(x)
        hidden, skip = (F.linear(x, *one) for one in maps)
        return self.weighing.completed(hidden, skip, context).softmax(-1)


class VariableNetworks(nn.Module):
    """A gated residual network for each variable, and the weighted sum of them.

    The network is a :class:`~darts_tsformers.layers.selection.gating.GatedResidualNetwork`.

    The parameters of the variables lie side by side, with the variable as the first axis.
    """

    def __init__(self, n_variables: int, d_variable: int, d_model: int, *, dropout: float) -> None:
        super().__init__()
        self.hidden = GroupedLinear(n_variables, d_variable, d_variable)
        self.inner = GroupedLinear(n_variables, d_variable, d_variable)
        self.dropout = nn.Dropout(dropout)
        self.gate = GroupedLinear(n_variables, d_variable, 2 * d_model)
        self.skip = GroupedLinear(n_variables, d_variable, d_model) if d_variable != d_model else None
        self.norm_weight = nn.Parameter(torch.ones(n_variables, d_model))
        self.norm_bias = nn.Parameter(torch.zeros(n_variables, d_model))

    def first_maps(self, embedding: Lines) -> tuple[Lines, Lines]:
        """Return what the networks first do to the numbers, for their inner maps and for their residuals."""
        return self.hidden.along(embedding), embedding if self.skip is None else self.skip.along(embedding)

    def forward(
        self, x: Float[Tensor, "B t m"], weights: Float[Tensor, "B t m"], hidden: Lines, skip: Lines
    ) -> Float[Tensor, "B t D"]:
        """Return the sum, given the first maps."""
        numbers = with_ones(rearrange(x, "B t m -> m (B t)"))
        inner = self.inner(F.elu_(hidden.at(numbers)))
        gated = F.glu(self.gate(self.dropout(inner)))  # [m, B t, D]
        summed = torch.baddbmm(gated, numbers, torch.stack(skip, dim=1))
        normalised = F.layer_norm(summed, summed.shape[-1:], eps=NORM_EPSILON)
        scaled = rearrange(normalised * self.norm_weight[:, None], "m N D -> N m D")
        mixed = torch.bmm(rearrange(weights, "B t m -> (B t) 1 m"), scaled)
        return mixed.view(*x.shape[:2], -1) + weights @ self.norm_bias
