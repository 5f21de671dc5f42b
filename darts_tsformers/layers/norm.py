"""Normalisation of tokens."""

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_one_of

NORMS = ("layer", "batch")


class TokenBatchNorm(nn.Module):
    """Batch normalisation of each feature over all tokens of all samples.

    A training batch of a single token has no variance; it is normalised by the running statistics instead of failing.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(d_model)

    def forward(self, x: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
        """Normalise over all axes but the last."""
        tokens = x.flatten(0, -2)
        if self.training and tokens.shape[0] == 1:
            return nn.functional.batch_norm(
                tokens, self.norm.running_mean, self.norm.running_var, self.norm.weight, self.norm.bias
            ).view_as(x)
        return self.norm(tokens).view_as(x)


def build_norm(norm: str, d_model: int) -> nn.Module:
    """Build the normalisation called ``norm``, one of ``"layer"`` and ``"batch"``."""
    require_one_of(NORMS, norm=norm)
    return nn.LayerNorm(d_model) if norm == "layer" else TokenBatchNorm(d_model)
