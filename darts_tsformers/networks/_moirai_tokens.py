"""Tokens of Moirai-MoE: patches of all variates in one row, where they stand, and at what level and spread."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from darts_tsformers.layers.transformer.variate_attention import Places

EPSILON = 1e-5
"""Added to each variance."""


class Piece(NamedTuple):
    """A span of whole patches of some variates.

    Attributes
    ----------
    values
        What there is to read.
    observed
        Which of it counts for level and spread.
    there
        Which steps are no padding.
    first
        Which patch of the window it begins with.
    """

    values: Float[Tensor, "B T V"]
    observed: Bool[Tensor, "B T V"]
    there: Bool[Tensor, "B T"]
    first: int = 0


class Tokens(NamedTuple):
    """Patches of several pieces, one piece after the other and in each variate after variate.

    Attributes
    ----------
    values, observed
        Of each patch.
    places
        Where it stands.
    slot
        Which patch of the window it is.
    """

    values: Float[Tensor, "B n p"]
    observed: Bool[Tensor, "B n p"]
    places: Places
    slot: Int[Tensor, " n"]

    def take(self, tokens: Int[Tensor, " m"] | Bool[Tensor, " n"]) -> "Tokens":
        """Return some of the tokens."""
        time, variate, there = self.places
        places = Places(time[:, tokens], variate[tokens], there[:, tokens])
        return Tokens(self.values[:, tokens], self.observed[:, tokens], places, self.slot[tokens])


def pack(target: Sequence[Piece], future: Sequence[Piece], past: Sequence[Piece], patch_length: int) -> Tokens:
    """Lay out the pieces of targets, of future covariates and of past covariates as one row of tokens.

    The first piece of the targets is their look-back. Time counts the patches in which any target was observed, from 0
    on; behind the look-back it goes on by one from patch to patch.
    """
    context = target[0]
    seen = reduce(context.observed, "B (N p) V -> B N", "max", p=patch_length)
    read = (seen.cumsum(1) - 1).clamp_min(0)
    n_read = read.shape[1]
    values, observed, there, time, variate, slot = [], [], [], [], [], []
    n_variates = 0
    for pieces in (target, future, past):
        for piece in pieces:
            n_patches, width = piece.values.shape[1] // patch_length, piece.values.shape[2]
            slots = torch.arange(piece.first, piece.first + n_patches, device=read.device)
            ahead = (slots - n_read + 1).clamp_min(0)
            values.append(_patches(piece.values, patch_length))
            observed.append(_patches(piece.observed, patch_length))
            real = reduce(piece.there, "B (N p) -> B N", "max", p=patch_length)
            there.append(repeat(real, "B N -> B (V N)", V=width))
            time.append(repeat(read[:, slots.clamp_max(n_read - 1)] + ahead, "B N -> B (V N)", V=width))
            variate.append((n_variates + torch.arange(width, device=read.device)).repeat_interleave(n_patches))
            slot.append(slots.repeat(width))
        n_variates += pieces[0].values.shape[2] if pieces else 0
    places = Places(torch.cat(time, 1), torch.cat(variate), torch.cat(there, 1))
    return Tokens(torch.cat(values, 1), torch.cat(observed, 1), places, torch.cat(slot))


def scales(tokens: Tokens, predicted: Bool[Tensor, "B n"]) -> tuple[Float[Tensor, "B n 1"], Float[Tensor, "B n 1"]]:
    """Return level and spread of the variate of each token: mean and unbiased deviation of what was observed of it.

    What is to be predicted does not count. Padding has the level 0 and the spread 1. Computed in float64 where the
    device has it; given in the type of the values, at least float32.
    """
    inside = torch.float32 if tokens.values.device.type == "mps" else torch.float64
    there = tokens.places.there[..., None]
    counts = (tokens.observed & ~predicted[..., None] & there).to(inside)
    same = tokens.places.same().to(inside)
    values = tokens.values.to(inside)

    def total(of_tokens: Float[Tensor, "B n p"]) -> Float[Tensor, "B n 1"]:
        return (of_tokens.sum(-1) @ same).unsqueeze(-1)

    n = total(counts)
    level = total(values * counts) / n.clamp_min(1)
    squares = total((values - level).square() * counts)
    free = n - 1
    spread = (squares / free.where(free > 0, 1) + EPSILON).sqrt()
    wide = torch.promote_types(tokens.values.dtype, torch.float32)
    return level.where(there, 0).to(wide), spread.where(there, 1).to(wide)


def _patches(x: Tensor, patch_length: int) -> Tensor:
    return rearrange(x, "B (N p) V -> B (V N) p", p=patch_length)
