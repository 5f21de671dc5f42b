"""A feed-forward part of experts that tokens go to by their distance from fixed points."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag
from darts_tsformers.layers.experts.dispatch import dispatch, shares_of
from darts_tsformers.layers.transformer.gated_feed_forward import GatedFeedForward
from darts_tsformers.recording import is_recording, record


class CentroidFeedForward(nn.Module):
    r"""Mixture of experts, each of which has a centroid that is not learned.

    .. math::
        y = \sum_{e \in \mathrm{top}_k(s)} p_e F_e(x), \qquad
        s_e = \mp \lVert x - c_e \rVert, \qquad p = \mathrm{softmax}_{e \in \mathrm{top}_k(s)}(s)

    with minus for the nearest experts, and plus for the farthest, as the published weights have it. All :math:`F` are
    :class:`~darts_tsformers.layers.transformer.gated_feed_forward.GatedFeedForward`.

    Parameters
    ----------
    d_model, d_ff
        Width, and inner width of each expert.
    n_experts, n_experts_per_token
        Experts (``E``), and how many each token takes (``k``).
    farthest
        Whether a token goes to the experts whose centroids are farthest from it, and not to the nearest.

    Raises
    ------
    ValueError
        If a size is below 1, or there are fewer experts than a token takes.

    Notes
    -----
    Liu et al., "Moirai-MoE: Empowering Time Series Foundation Models with Sparse Mixture of Experts", 2024 (arXiv
    2410.10469), section 3.2. The paper takes the nearest centroids; the authors' code takes the largest distances.
    Distances are in the precision of the centroids, or of the tokens if that is higher, and at least in float32.
    """

    def __init__(
        self, d_model: int, d_ff: int, *, n_experts: int, n_experts_per_token: int, farthest: bool = False
    ) -> None:
        super().__init__()
        require_at_least(1, n_experts=n_experts, n_experts_per_token=n_experts_per_token)
        require_flag(farthest=farthest)
        if n_experts_per_token > n_experts:
            raise ValueError(f"n_experts_per_token={n_experts_per_token} must be at most n_experts={n_experts}")
        self.n_experts_per_token, self.farthest = n_experts_per_token, farthest
        self.experts = nn.ModuleList(GatedFeedForward(d_model, d_ff) for _ in range(n_experts))

    def forward(self, x: Float[Tensor, "B n D"], centroids: Float[Tensor, "E D"]) -> Float[Tensor, "B n D"]:
        """Map each token."""
        tokens = x.flatten(0, 1)
        chosen, weights = self.route(tokens, centroids)
        if is_recording("routing"):
            shares = shares_of(chosen, weights, len(self.experts))
            record("routing", self, weights=shares.view(*x.shape[:2], -1))
        return dispatch(tokens, list(self.experts), chosen, weights.to(x.dtype)).view_as(x)

    def route(
        self, tokens: Float[Tensor, "T D"], centroids: Float[Tensor, "E D"]
    ) -> tuple[Int[Tensor, "T k"], Float[Tensor, "T k"]]:
        """Choose the experts of each token, the most fitting first, and say what their outputs are multiplied by."""
        wide = torch.promote_types(torch.promote_types(tokens.dtype, centroids.dtype), torch.float32)
        distances = torch.cdist(tokens.to(wide), centroids.to(wide), compute_mode="donot_use_mm_for_euclid_dist")
        fits, chosen = (distances if self.farthest else -distances).topk(self.n_experts_per_token, dim=-1)
        return chosen, fits.softmax(-1)
