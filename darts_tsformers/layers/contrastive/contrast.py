"""Learn by contrast: an encoder tells windows apart by views of them, while the views learn what matters."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_not_negative, require_probability
from darts_tsformers.layers.contrastive.augmentation import Augmenter, View
from darts_tsformers.layers.contrastive.losses import (
    consistency,
    excess,
    info_nce,
    local_info_nce,
    mean_discrepancy,
)
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.window import Window

Encode: TypeAlias = Callable[[Window], Float[Tensor, "B C N D"]]
"""Makes tokens of a window, as ``Network.encode`` does."""


class Contrast(nn.Module):
    r"""What an encoder, and the network that makes its views, learn from windows alone.

    The encoder minimises :math:`\mathrm{NCE}(z_x, z_v) + \lambda\, \mathrm{NCE}_{\text{local}}(z_x)`: which view ``v``
    is of which series ``x`` (:func:`~darts_tsformers.layers.contrastive.losses.info_nce`), and which piece of a series
    follows which. The views minimise :math:`\mathrm{MMD}(z_x, z_v) + \mu\, (\bar h - s)_+ + \nu\, T(h)`: what the
    encoder sees of them is to stay what it was, with as little kept as that takes, in spans of time. Each learns by its
    own loss: no gradient of the one reaches the other.

    In training steps are hidden from the encoder, others in each of its calls: all variables are zero there. Nothing is
    drawn in evaluation.

    The windows of a batch are told apart from each other, in training alone; the losses depend on who is in it.

    Parameters
    ----------
    augmenter
        Makes the views. If it takes one feature, each variable over the look-back is viewed by itself, and any number
        of them will do; else all side by side: target, past covariates, and future ones so far.
    temperature
        Of the contrast between series; small ones look at the most similar.
    local_weight
        ``lambda``; 0 for no contrast within a series.
    n_crops
        Pieces of a series.
    hide_rate
        Share of the steps that are hidden from the encoder.
    kept_weight, kept_share
        ``mu`` and ``s``: what more is kept of the values than this share counts so much.
    consistency_weight
        ``nu``, the weight of :func:`~darts_tsformers.layers.contrastive.losses.consistency`.

    Raises
    ------
    ValueError
        If an argument breaks its rule; the message names it.

    Notes
    -----
    Zheng et al., "Parametric Augmentation for Time Series Contrastive Learning", ICLR 2024.

    Deviations: encoder and views learn in the same step, where the authors take turns. Both see the same tokens; the
    authors' views learn from those of an inner layer. Steps are hidden; in the authors' code none ever is. Each window
    has its own steps to be consistent at, all of them, and steps further off are to differ, where theirs takes the same
    for all and has the sign the other way around. The contrast within a series is of all of a batch, not of the first
    alone. What is kept is a mean over the variables, not a sum.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from darts_tsformers.layers.contrastive.augmentation import Augmenter
    >>> from darts_tsformers.layers.contrastive.contrast import Contrast
    >>> from darts_tsformers.window import Window
    >>> contrast = Contrast(Augmenter(1, d_hidden=4, d_model=4, n_blocks=2, kernels=(1, 2)))
    >>> encoder = nn.Linear(1, 8)
    >>> window = Window(torch.randn(5, 24, 2))
    >>> list(contrast(lambda each: encoder(each.target.mT[..., None]), encoder, window))
    ['contrast', 'local', 'relevance', 'sparsity', 'consistency']
    """

    def __init__(
        self,
        augmenter: Augmenter,
        *,
        temperature: float | int = 1.0,
        local_weight: float | int = 0.72,
        n_crops: int = 16,
        hide_rate: float | int = 0.5,
        kept_weight: float | int = 0.2,
        kept_share: float | int = 0.4,
        consistency_weight: float | int = 0.002,
    ) -> None:
        super().__init__()
        require_not_negative(temperature=temperature)
        if temperature == 0:
            raise ValueError(f"temperature={temperature!r} must be above 0")
        require_not_negative(local_weight=local_weight, kept_weight=kept_weight, consistency_weight=consistency_weight)
        require_at_least(1, n_crops=n_crops)
        require_probability(hide_rate=hide_rate, kept_share=kept_share)
        self.augmenter = augmenter
        self.temperature, self.local_weight, self.n_crops = temperature, local_weight, n_crops
        self.hide_rate = hide_rate
        self.kept_weight, self.kept_share, self.consistency_weight = kept_weight, kept_share, consistency_weight

    def forward(self, encode: Encode, encoder: nn.Module, window: Window) -> dict[str, Float[Tensor, ""]]:
        """Return the parts of both losses, weighted.

        Parameters
        ----------
        encode
            Makes the tokens.
        encoder
            What it makes them with: has all weights of it.
        window
            To learn from.
        """
        view, kept = self.viewed(window)
        known = self._tokens(encode, window)
        seen = self._tokens(encode, _map(view, Tensor.detach))
        with held(encoder):
            shown = self._tokens(encode, view)
        parts = {"contrast": info_nce(known, seen, temperature=self.temperature)}
        if self.local_weight:
            start = self._start(known.shape[1])
            parts["local"] = self.local_weight * local_info_nce(known, n_crops=self.n_crops, start=start)
        parts["relevance"] = mean_discrepancy(known.detach(), shown)
        parts["sparsity"] = self.kept_weight * excess(kept, self.kept_share)
        if kept.shape[1] > 2:
            parts["consistency"] = self.consistency_weight * consistency(kept, *self._steps(kept))
        return parts

    def viewed(self, window: Window) -> tuple[Window, Float[Tensor, "R L K"]]:
        """Return a view of a window, and how likely each value is kept, by the rows that were viewed."""
        variables = _variables(window)
        view = self._view(variables)
        values = rearrange(view.values, "(B V) L K -> B L (V K)", B=len(variables))
        return _with_variables(window, values), view.kept

    def kept(self, window: Window) -> Float[Tensor, "B L V"]:
        """Return how likely each value is kept: of the target, past covariates, and future ones so far."""
        variables = _variables(window)
        return rearrange(self._view(variables).kept, "(B V) L K -> B L (V K)", B=len(variables))

    def _view(self, variables: Float[Tensor, "B L V"]) -> View:
        one_by_one = self.augmenter.odds.out_features == 1
        out: View = self.augmenter(rearrange(variables, "B L V -> (B V) L 1") if one_by_one else variables)
        return out

    def _tokens(self, encode: Encode, window: Window) -> Float[Tensor, "R N D"]:
        if self.training and self.hide_rate:
            window = hide(window, torch.rand(window.target.shape[:2]) < self.hide_rate)
        return encode(window).flatten(0, 1)

    def _start(self, length: int) -> int:
        left_over = length % min(self.n_crops, length)
        return int(torch.randint(left_over + 1, ())) if self.training else 0

    def _steps(self, kept: Float[Tensor, "R L K"]) -> tuple[Int[Tensor, "R T"], Int[Tensor, "R T"]]:
        """Return all steps between two others, and a step to compare each with."""
        n_rows, length, _ = kept.shape
        centres = torch.arange(1, length - 1).expand(n_rows, -1)
        others = torch.randint(length, centres.shape) if self.training else (centres + length // 2) % length
        return centres.to(kept.device), others.to(kept.device)


def hide(window: Window, hidden: Bool[Tensor, "B L"]) -> Window:
    """Put zero in place of all variables at some steps of the look-back."""
    there = hidden[..., None].logical_not().to(window.target)
    return _map(window, lambda x: x * there)


@contextmanager
def held(encoder: nn.Module) -> Iterator[None]:
    """Let no gradient of what is computed inside the block reach the weights of a module, but what they are applied to.

    Nothing is recomputed in the backward pass of it: by then the weights learn again.
    """
    learning = [weight for weight in encoder.parameters() if weight.requires_grad]
    recomputing = [part for part in encoder.modules() if isinstance(part, Recomputing) and part.recompute]
    _switch(learning, recomputing, on=False)
    try:
        yield
    finally:
        _switch(learning, recomputing, on=True)


def _switch(learning: Iterable[nn.Parameter], recomputing: Iterable[Recomputing], *, on: bool) -> None:
    for weight in learning:
        weight.requires_grad_(on)
    for part in recomputing:
        part.recompute = on


def _variables(window: Window) -> Float[Tensor, "B L V"]:
    """Return the variables of the look-back side by side."""
    parts = (window.target, window.past, window.historic_future)
    return torch.cat([x for x in parts if x is not None], dim=-1)


def _with_variables(window: Window, values: Float[Tensor, "B L V"]) -> Window:
    parts = {"target": window.target, "past": window.past, "historic_future": window.historic_future}
    there = {name: x.shape[-1] for name, x in parts.items() if x is not None}
    return replace(window, **dict(zip(there, torch.split(values, list(there.values()), dim=-1), strict=True)))


def _map(window: Window, change: Callable[[Tensor], Tensor]) -> Window:
    """Change all variables of the look-back."""
    return _with_variables(window, change(_variables(window)))
