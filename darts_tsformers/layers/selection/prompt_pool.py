"""Prompts that are learned, and chosen by what a series looks like."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag


@dataclass(frozen=True)
class Chosen:
    """The prompts chosen for some sequences, the most alike first.

    Attributes
    ----------
    tokens
        The prompts, one after the other: ``M = top_k * prompt_length``.
    prompt
        Which they are.
    likeness
        Cosine of their keys and the summary of the sequence.
    """

    tokens: Float[Tensor, "R M D"]
    prompt: Int[Tensor, "R k"]
    likeness: Float[Tensor, "R k"]


class PromptPool(nn.Module):
    """A pool of learned prompts, each with a key, of which a sequence gets those whose keys are most like its summary.

    The summary is one weighted sum of the tokens. Its weights stay as they are drawn: a sum over time tells one
    sequence from another, and nothing would teach it better. Keys learn from ``likeness``, which the user of the layer
    puts into the loss; it leaves the tokens alone. What a choice is worth is learned by the prompts alone.

    Parameters
    ----------
    n_tokens, d_model
        Tokens of a sequence (``N``), and their width (``D``).
    n_prompts
        Prompts of the pool.
    prompt_length
        Tokens of a prompt.
    top_k
        Prompts chosen for a sequence (``k``); at most all.
    faithful
        Whether the summary is the authors': theirs reads tokens and features in each other's place, so that each entry
        of it sums up pieces of several tokens.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule.

    Notes
    -----
    Cao et al., "TEMPO: Prompt-based Generative Pre-trained Transformer for Time Series Forecasting", ICLR 2024, after
    Wang et al., "Learning to Prompt for Continual Learning", CVPR 2022, where the likeness is part of the loss.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.selection.prompt_pool import PromptPool
    >>> chosen = PromptPool(n_tokens=7, d_model=4, n_prompts=5, prompt_length=3, top_k=2)(torch.randn(11, 7, 4))
    >>> chosen.tokens.shape, chosen.prompt.shape
    (torch.Size([11, 6, 4]), torch.Size([11, 2]))
    """

    summary_weight: Tensor
    summary_bias: Tensor

    def __init__(
        self,
        n_tokens: int,
        d_model: int,
        *,
        n_prompts: int = 30,
        prompt_length: int = 3,
        top_k: int = 3,
        faithful: bool = False,
    ) -> None:
        super().__init__()
        require_at_least(1, n_prompts=n_prompts, prompt_length=prompt_length, top_k=top_k)
        require_flag(faithful=faithful)
        if top_k > n_prompts:
            raise ValueError(f"top_k={top_k} must be at most n_prompts={n_prompts}")
        self.top_k = top_k
        self.n_tokens = top_k * prompt_length
        self.faithful = faithful
        self.keys = nn.Parameter(torch.randn(n_prompts, d_model))
        self.prompts = nn.Parameter(torch.randn(n_prompts, prompt_length, d_model))
        drawn = nn.Linear(n_tokens, 1)
        self.register_buffer("summary_weight", drawn.weight.detach())
        self.register_buffer("summary_bias", drawn.bias.detach())

    def forward(self, x: Float[Tensor, "R N D"]) -> Chosen:
        """Choose prompts for each sequence."""
        keys = F.normalize(self.keys, dim=-1, eps=1e-6)
        likeness = F.normalize(self._summary(x.detach()), dim=-1, eps=1e-6) @ keys.mT
        best = likeness.topk(self.top_k, dim=-1)
        return Chosen(self.prompts[best.indices].flatten(1, 2), best.indices, best.values)

    def shares(self, chosen: Chosen) -> Float[Tensor, "R P"]:
        """Return the share of each prompt of the pool in those chosen."""
        none = chosen.likeness.new_zeros(chosen.prompt.shape[0], len(self.keys))
        return none.scatter(1, chosen.prompt, 1 / self.top_k)

    def _summary(self, x: Float[Tensor, "R N D"]) -> Float[Tensor, "R D"]:
        over_time = x.reshape(x.shape[0], x.shape[2], x.shape[1]) if self.faithful else x.mT
        return F.linear(over_time, self.summary_weight, self.summary_bias).squeeze(-1)
