"""Graphs of what goes with what, read off series."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

ROUNDING = 1e-12  # up to this share of its level, a deviation is a constant's, and none


def correlation(series: Iterable[Float[Tensor, "_ V"]]) -> Float[Tensor, "V V"]:
    """Return the correlations of variables, each at its own level and spread in each series.

    Counted is each step at which both are observed. A variable goes with itself by 1, even where it is constant; a pair
    that is never observed together by 0. Level and spread of the data do not matter. O(V^2) memory.

    Parameters
    ----------
    series
        One at a time; NaN where nothing was observed.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.graph_learning import correlation
    >>> correlation([torch.tensor([[1.0, 9.0], [2.0, 7.0], [3.0, 5.0]])]).round(decimals=3)
    tensor([[ 1., -1.],
            [-1.,  1.]], dtype=torch.float64)
    """

    def products(x: Tensor) -> tuple[Tensor, Tensor]:
        seen = (~x.isnan()).to(x.dtype)
        count = seen.sum(dim=0).clamp_min(1)
        level = x.nansum(dim=0) / count
        x = (x - level).nan_to_num()
        spread = (x.square().sum(dim=0) / count).sqrt()
        x = torch.where(spread > ROUNDING * level.abs(), x / spread, 0)
        return x.mT @ x, seen.mT @ seen

    total, count = _summed(products, series)
    return (total / count.clamp_min(1)).fill_diagonal_(1)


def co_occurrence(series: Iterable[Float[Tensor, "_ V"]]) -> Float[Tensor, "V V"]:
    r"""Return how much of each variable there is while another one occurs, which is while it is above zero.

    .. math:: G_{ij} = \sum_t x_{ti} [x_{tj} > 0], \qquad G_{ii} \leftarrow \max(2 G_{ii} - \textstyle\sum_j G_{ij}, 0)

    where the sum of the right-hand side has the old ``G_{ii}`` in it. It is made for counts and other sizes that are
    zero while there is nothing; on data with a level and a spread of their own ``x > 0`` says little. O(V^2) memory.

    Parameters
    ----------
    series
        One at a time; NaN where nothing was observed, which counts for nothing.

    Notes
    -----
    Spadon et al., "Pay Attention to Evolution: Time Series Forecasting with Deep Graph-Evolution Learning", IEEE
    Transactions on Pattern Analysis and Machine Intelligence, 2022.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.graph_learning import co_occurrence
    >>> co_occurrence([torch.tensor([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0]])])
    tensor([[5., 2.],
            [1., 0.]], dtype=torch.float64)
    """
    (graph,) = _summed(lambda x: (x.nan_to_num().mT @ (x > 0).to(x.dtype),), series)
    own = (2 * graph.diagonal() - graph.sum(dim=1)).clamp_min(0)
    return graph.diagonal_scatter(own)


def _summed(
    parts: Callable[[Tensor], tuple[Tensor, ...]], series: Iterable[Float[Tensor, "_ V"]]
) -> tuple[Float[Tensor, "V V"], ...]:
    """Add up what is made of each series, in float64."""
    totals: tuple[Tensor, ...] = ()
    for one in series:
        new = parts(one.double())
        totals = tuple(total + part for total, part in zip(totals, new, strict=True)) if totals else new
    return totals


GRAPHS: dict[str, Callable[[Iterable[Float[Tensor, "_ V"]]], Float[Tensor, "V V"]]] = {
    "correlation": correlation,
    "co_occurrence": co_occurrence,
}
"""Ways to read a graph off series, by name."""


def learn_graph(graph: str, series: Iterable[Float[Tensor, "_ V"]]) -> Float[Tensor, "V V"]:
    """Return a graph whose largest entry is 1 in size, and in which no row is empty.

    A variable that goes with nothing, not even with itself, is given itself: it has a direction then.
    """
    learnt = GRAPHS[graph](series)
    learnt = learnt / learnt.abs().max().clamp_min(torch.finfo(learnt.dtype).tiny)
    alone = (learnt == 0).all(dim=1).to(learnt.dtype)
    return learnt + alone.diag()
