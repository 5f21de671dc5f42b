"""The decoder of Moirai-MoE: from tokens of patches to states, and to mixtures for the patches that follow."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.experts.centroid_layer import CentroidLayer
from darts_tsformers.layers.mixture.distribution import Mixture
from darts_tsformers.layers.mixture.heads import MixtureHeads
from darts_tsformers.layers.mixture.sized_linear import SizedLinear
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.variate_attention import Places


class PatchEmbedding(nn.Module):
    r"""Token of a patch: :math:`W_2\, \mathrm{SiLU}(W_1 x) + W_0 x`, with maps for each length of patches.

    Parameters
    ----------
    patch_lengths
        Lengths; shorter patches are filled up by zeros on the right.
    d_model
        Width.
    """

    def __init__(self, patch_lengths: Sequence[int], d_model: int) -> None:
        super().__init__()
        self.longest = max(patch_lengths)
        self.enter = SizedLinear(len(patch_lengths), self.longest, d_model)
        self.skip = SizedLinear(len(patch_lengths), self.longest, d_model)
        self.mix = SizedLinear(len(patch_lengths), d_model, d_model)

    def forward(self, patches: Float[Tensor, "B n p"], size: int) -> Float[Tensor, "B n D"]:
        """Embed patches of one length, by its number."""
        x = F.pad(patches, (0, self.longest - patches.shape[-1]))
        token: Tensor = self.mix(F.silu(self.enter(x, size)), size) + self.skip(x, size)
        return token


class MoiraiDecoder(nn.Module, Recomputing):
    """Embedding of patches, decoder layers, norm and heads: all that a checkpoint holds.

    Parameters
    ----------
    patch_lengths
        Lengths of patches that it has maps for.
    d_model, n_heads, n_layers, d_ff, n_experts, n_experts_per_token, farthest, dropout
        As for :class:`~darts_tsformers.layers.experts.centroid_layer.CentroidLayer`.

    Attributes
    ----------
    centroids
        Of the experts of each layer, ``(layers, E, D)``. They are not learned: drawn at random where they are not
        those of a checkpoint, as large as what the norms put out. In float64, as they are published, until the module
        is cast.
    """

    centroids: Tensor

    def __init__(
        self,
        patch_lengths: Sequence[int],
        *,
        d_model: int,
        n_heads: int,
        n_layers: int,
        d_ff: int,
        n_experts: int,
        n_experts_per_token: int,
        farthest: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        require_at_least(1, n_decoder_layers=n_layers)
        self.embedding = PatchEmbedding(patch_lengths, d_model)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            CentroidLayer(
                d_model,
                n_heads,
                d_ff,
                n_experts=n_experts,
                n_experts_per_token=n_experts_per_token,
                farthest=farthest,
                dropout=dropout,
            )
            for _ in range(n_layers)
        )
        self.register_buffer("centroids", torch.randn(n_layers, n_experts, d_model).double())
        self.norm = nn.RMSNorm(d_model, eps=1e-5)
        self.heads = MixtureHeads(patch_lengths, d_model)

    def forward(
        self,
        patches: Float[Tensor, "B n p"],
        places: Places,
        size: int,
        added: Float[Tensor, "B n D"] | None = None,
    ) -> Mixture:
        """Return the mixture, ``(B, n, p)``, of the patch that follows on each; ``added`` is added to the tokens."""
        return self.heads(self.states(patches, places, size, added), size)

    def states(
        self,
        patches: Float[Tensor, "B n p"],
        places: Places,
        size: int,
        added: Float[Tensor, "B n D"] | None = None,
    ) -> Float[Tensor, "B n D"]:
        """Return the state of each token behind the last layer."""
        x = self.embedding(patches, size)
        x = self.dropout(x if added is None else x + added)
        for layer, centroids in zip(self.layers, self.centroids, strict=True):
            x = self.run(layer, x, places, centroids)
        states: Tensor = self.norm(x)
        return states
