"""A feed-forward part of experts, of which each token takes a few, beside one that all take."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.experts.dispatch import dispatch, shares_of
from darts_tsformers.layers.transformer.gated_feed_forward import GatedFeedForward
from darts_tsformers.recording import is_recording, record


class Routing(NamedTuple):
    """What a router says of tokens.

    Attributes
    ----------
    logits
        Of every expert, in at least float32.
    chosen, weights
        The most probable experts of each token, and their probabilities.
    """

    logits: Float[Tensor, "T E"]
    chosen: Int[Tensor, "T k"]
    weights: Float[Tensor, "T k"]


class SparseFeedForward(nn.Module):
    r"""Mixture of experts with a shared one.

    .. math::
        y = \sum_{e \in \mathrm{top}_k(p)} p_e F_e(x) + \sigma(w^\top x)\, F_0(x),
        \qquad p = \mathrm{softmax}(R x)

    The probabilities of the experts chosen are taken as they are: they do not sum to 1. All :math:`F` are
    :class:`~darts_tsformers.layers.transformer.gated_feed_forward.GatedFeedForward`.

    Parameters
    ----------
    d_model
        Width.
    d_ff
        Inner width of the shared expert; each other has ``d_ff // n_experts_per_token``.
    n_experts, n_experts_per_token
        Experts (``E``), and how many each token takes (``k``).
    activation
        Of the experts.

    Raises
    ------
    ValueError
        If a size is below 1, or there are fewer experts than a token takes, or fewer inner features.

    Notes
    -----
    Shi et al., "Time-MoE", ICLR 2025 (arXiv 2409.16040), equations 5 to 8, after DeepSeekMoE (Dai et al., 2024).
    """

    def __init__(
        self, d_model: int, d_ff: int, *, n_experts: int, n_experts_per_token: int, activation: str = "silu"
    ) -> None:
        super().__init__()
        require_at_least(1, n_experts=n_experts, n_experts_per_token=n_experts_per_token)
        require_at_least(n_experts_per_token, d_ff=d_ff)
        if n_experts_per_token > n_experts:
            raise ValueError(f"n_experts_per_token={n_experts_per_token} must be at most n_experts={n_experts}")
        self.n_experts_per_token = n_experts_per_token
        self.router = nn.Linear(d_model, n_experts, bias=False)
        self.experts = nn.ModuleList(
            GatedFeedForward(d_model, d_ff // n_experts_per_token, activation=activation) for _ in range(n_experts)
        )
        self.shared = GatedFeedForward(d_model, d_ff, activation=activation)
        self.shared_gate = nn.Linear(d_model, 1, bias=False)

    def forward(self, x: Float[Tensor, "B n D"]) -> tuple[Float[Tensor, "B n D"], Float[Tensor, "B n E"]]:
        """Map each token; return the router's logits as well."""
        tokens = x.flatten(0, 1)
        routing = self.route(tokens)
        weights = routing.weights.to(x.dtype)
        if is_recording("routing"):
            shares = shares_of(routing.chosen, routing.weights, len(self.experts))
            record("routing", self, weights=shares.view(*x.shape[:2], -1))
        mixed = dispatch(tokens, list(self.experts), routing.chosen, weights)
        out = mixed + self.shared_gate(tokens).sigmoid() * self.shared(tokens)
        return out.view_as(x), routing.logits.view(*x.shape[:2], -1)

    def route(self, tokens: Float[Tensor, "T D"]) -> Routing:
        """Choose the experts of each token."""
        logits = self.router(tokens)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        weights, chosen = logits.softmax(-1).topk(self.n_experts_per_token, dim=-1)
        return Routing(logits, chosen, weights)
