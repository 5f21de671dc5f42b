"""Tokens that stand for whole variates, as iTransformer and S-Mamba have them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.recording.layout import Layout, VariableAxis
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import zero_linear

LAYOUT = Layout((VariableAxis(("target", "past", "future")),) * 2)
"""What the tokens stand for."""


class VariateTokens(nn.Module):
    """The part of a network that makes one token of each variate and covariate.

    A linear map of its look-back is the token of a target, and, through the same map, of a past covariate; a future
    covariate has one over look-back and horizon, through a map of its own; static covariates add to the token of their
    variate. What marks a token as a past covariate's, and the map of the static ones, start at zero.
    """

    def _build_tokens(self, sizes: Sizes, d_model: int) -> None:
        self.embedding = nn.Linear(sizes.input_length, d_model)
        self.past_type = nn.Parameter(torch.zeros(d_model)) if sizes.n_past else None
        self.future_embedding = nn.Linear(sizes.input_length + sizes.output_length, d_model) if sizes.n_future else None
        self.static = zero_linear(sizes.n_static, d_model) if sizes.n_static else None

    def _embed(self, window: Window) -> Float[Tensor, "B N D"]:
        """Return the tokens: those of the targets, of the past covariates, of the future ones."""
        targets = self.embedding(window.target.mT)
        if self.static is not None and window.static is not None:
            targets = targets + self.static(window.static)
        tokens = [targets]
        if self.past_type is not None and window.past is not None:
            tokens.append(self.embedding(window.past.mT) + self.past_type)
        if self.future_embedding is not None and window.historic_future is not None and window.future is not None:
            whole = torch.cat([window.historic_future, window.future], dim=1)
            tokens.append(self.future_embedding(whole.mT))
        return targets if len(tokens) == 1 else torch.cat(tokens, dim=1)
