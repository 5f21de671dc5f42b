"""A network that learns what of a series may be left out: masks and scales that make a view of it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_flag, require_not_negative
from darts_tsformers.layers.contrastive.dilated import DilatedEncoder


class View(NamedTuple):
    """A view of a series.

    Attributes
    ----------
    values
        The series masked and scaled.
    kept
        How likely each value is kept, ``h``, from 0 to 1.
    """

    values: Float[Tensor, "B L N"]
    kept: Float[Tensor, "B L N"]


class Augmenter(nn.Module):
    r"""Make a view of a series: what is to be kept of it, scaled.

    .. math:: v = m \odot g \odot x, \qquad m \sim \mathrm{HardConcrete}(h), \qquad h, g = \sigma(W\, \mathrm{enc}(x))

    In training the mask ``m`` is drawn (:func:`hard_concrete`); in evaluation it is what is drawn in the middle.

    Parameters
    ----------
    n_features
        Features of a step (``N``); each has a mask and a scale of its own.
    d_hidden, d_model, n_blocks, kernels
        Those of the :class:`~darts_tsformers.layers.contrastive.dilated.DilatedEncoder` that both are read from.
    hard
        Whether what is drawn is rounded to 0 or 1; the gradient is that of the unrounded mask.
    stretch, margin
        See :func:`hard_concrete`.

    Raises
    ------
    ValueError
        If an argument breaks its rule; the message names it.

    Notes
    -----
    Zheng et al., "Parametric Augmentation for Time Series Contrastive Learning", ICLR 2024. The authors' code takes
    ``h``, a probability, where the logarithm of its odds belongs, so that no value is left out more often than it is
    kept; ours takes the logarithm of the odds.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.contrastive.augmentation import Augmenter
    >>> augmenter = Augmenter(3, d_hidden=8, d_model=4, n_blocks=2, kernels=(1, 2))
    >>> view = augmenter(torch.randn(2, 24, 3))  # (B, L, N)
    >>> view.values.shape, view.kept.shape
    (torch.Size([2, 24, 3]), torch.Size([2, 24, 3]))
    """

    def __init__(
        self,
        n_features: int,
        *,
        d_hidden: int,
        d_model: int,
        n_blocks: int,
        kernels: Sequence[int],
        hard: bool = True,
        stretch: float | int = 0.05,
        margin: float = 0.001,
    ) -> None:
        super().__init__()
        require_flag(hard=hard)
        require_not_negative(stretch=stretch)
        if not 0 < margin <= 0.5:
            raise ValueError(f"margin={margin!r} must be above 0 and at most 0.5")
        self.hard, self.stretch, self.margin = hard, stretch, margin
        self.encoder = DilatedEncoder(
            n_features, d_hidden=d_hidden, d_model=d_model, n_blocks=n_blocks, kernels=kernels, causal=False
        )
        self.odds = nn.Linear(d_model, n_features)
        self.scale = nn.Linear(d_model, n_features)

    def forward(self, x: Float[Tensor, "B L N"]) -> View:
        """Draw a view."""
        log_odds, scale = self.factors(x)
        uniform = torch.rand(log_odds.shape, device=x.device) if self.training else None
        mask = hard_concrete(log_odds, uniform, hard=self.hard, stretch=self.stretch, margin=self.margin)
        return View(mask * scale * x, log_odds.sigmoid())

    def factors(self, x: Float[Tensor, "B L N"]) -> tuple[Float[Tensor, "B L N"], Float[Tensor, "B L N"]]:
        """Return the logarithm of the odds that each value is kept, and the scale of each, from 0 to 1."""
        features = self.encoder(x)
        return self.odds(features), self.scale(features).sigmoid()


def hard_concrete(
    log_odds: Float[Tensor, "*S"],
    uniform: Float[Tensor, "*S"] | None,
    *,
    hard: bool,
    stretch: float | int,
    margin: float,
) -> Float[Tensor, "*S"]:
    r"""Draw a mask from 0 to 1 whose gradient reaches the odds.

    .. math::

        s = \sigma\big(\log e - \log(1 - e) + \log \mathrm{odds}\big), \qquad
        m = \min\big(1, \max(0, (1 + \gamma)\, s - \gamma)\big)

    Parameters
    ----------
    log_odds
        Logarithm of the odds that a value is kept.
    uniform
        Numbers from 0 to 1 to draw with. None for what ``e = 1 / 2`` gives.
    hard
        Whether ``m`` is rounded to 0 or 1; the gradient stays that of ``m``.
    stretch
        ``gamma``: how far below zero it reaches before it is cut.
    margin
        ``e`` lies between this and one less it, from 0 to 0.5: at 0.5 nothing is left to chance.

    Notes
    -----
    Louizos et al., "Learning Sparse Neural Networks through L0 Regularization", ICLR 2018.
    """
    if uniform is not None:
        e = (2 * margin - 1) * uniform + (1 - margin)
        log_odds = log_odds + e.logit().to(log_odds.dtype)
    soft = (log_odds.sigmoid() * (1 + stretch) - stretch).clamp(0, 1)
    return soft + ((soft > 0.5).to(soft) - soft).detach() if hard else soft
