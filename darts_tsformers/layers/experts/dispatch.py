"""Send each token to the few experts that were chosen for it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.execution.tracing import is_traced


def dispatch(
    x: Float[Tensor, "T D"],
    experts: Sequence[nn.Module],
    chosen: Int[Tensor, "T k"],
    weights: Float[Tensor, "T k"],
) -> Float[Tensor, "T D"]:
    """Return for each token the weighted sum of what its experts make of it.

    Tokens are sorted by expert, so that each expert maps all of its tokens at once, and only those. The parameters of
    an expert that no token chose still get a gradient, of zeros. Where operations are written down, as for
    ONNX, and how many tokens an expert gets is not known, each expert maps all tokens.

    Parameters
    ----------
    x
        Tokens.
    experts
        Maps of single tokens.
    chosen
        Which experts each token goes to, by number, each at most once.
    weights
        What their outputs are multiplied by.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from darts_tsformers.layers.experts.dispatch import dispatch
    >>> experts = [nn.Identity(), nn.ReLU()]
    >>> x = torch.tensor([[-1.0], [-2.0]])
    >>> dispatch(x, experts, chosen=torch.tensor([[0], [1]]), weights=torch.ones(2, 1)).flatten()
    tensor([-1.,  0.])
    """
    if is_traced():
        shares = shares_of(chosen, weights, len(experts)).unbind(-1)
        return torch.stack([expert(x) * share[:, None] for expert, share in zip(experts, shares, strict=True)]).sum(0)
    n_each = chosen.shape[1]
    order = chosen.flatten().argsort(stable=True)
    counts = chosen.flatten().bincount(minlength=len(experts)).tolist()
    parts = torch.split(x[order.div(n_each, rounding_mode="floor")], counts)
    learns = torch.is_grad_enabled()
    mapped = torch.cat([expert(part) for expert, part in zip(experts, parts, strict=True) if learns or len(part)])
    back = mapped[order.argsort()].view(*chosen.shape, -1)
    return (back * weights[..., None]).sum(dim=1)


def shares_of(chosen: Int[Tensor, "T k"], weights: Float[Tensor, "T k"], n_experts: int) -> Float[Tensor, "T E"]:
    """Return the weight of every expert for each token; zero where it was not chosen.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.experts.dispatch import shares_of
    >>> shares_of(torch.tensor([[2, 0]]), torch.tensor([[0.5, 0.25]]), n_experts=3)
    tensor([[0.2500, 0.0000, 0.5000]])
    """
    return weights.new_zeros(chosen.shape[0], n_experts).scatter(1, chosen, weights)
