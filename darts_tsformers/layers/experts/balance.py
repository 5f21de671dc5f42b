"""A penalty that spreads tokens over experts."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def load_balance(
    logits: Sequence[Float[Tensor, "T E"]], n_chosen: int, there: Bool[Tensor, " T"] | None = None
) -> Float[Tensor, ""]:
    r"""Return how uneven the load of the experts is, over the tokens of all layers together.

    .. math:: E \sum_e f_e\, p_e

    with the number :math:`f_e` of experts ``e`` that a token chooses on average, and the mean probability :math:`p_e`
    that the router gives. With ``k`` experts for each token it is ``k`` if all have the same load.

    Parameters
    ----------
    logits
        What the router of each layer says of each token.
    n_chosen
        Experts that each token goes to (``k``).
    there
        Which tokens count; None for all.

    Notes
    -----
    Fedus, Zoph, Shazeer, "Switch Transformers", JMLR 2022 (arXiv 2101.03961), equations 4 to 6, for several experts.
    """
    if there is not None:
        logits = [one[there] for one in logits]
    probabilities = torch.cat([one.softmax(-1) for one in logits])
    n_tokens, n_experts = probabilities.shape
    chosen = F.one_hot(probabilities.topk(n_chosen, dim=-1).indices, n_experts).sum(dim=1)
    load = chosen.to(probabilities.dtype).sum(dim=0) / max(n_tokens, 1)
    return n_experts * (load * (probabilities.sum(dim=0) / max(n_tokens, 1))).sum()
