"""Attention between the modes of two spectra."""

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.layers.spectrum import complex_einsum

ACTIVATIONS = ("complex_tanh", "softmax", "tanh")


def attend(
    q: Float[Tensor, "B 2 m h e"], k: Float[Tensor, "B 2 n h e"], v: Float[Tensor, "B 2 n h e"], *, activation: str
) -> Float[Tensor, "B 2 m h e"]:
    """Attend from the modes of a spectrum to those of another."""
    scores = complex_einsum("bcmhe,bnhe->cbhmn", q, *k.unbind(1))
    return complex_einsum("bchmn,bnhe->cbmhe", _activate(scores, activation), *v.unbind(1))


def _activate(scores: Float[Tensor, "B 2 h m n"], activation: str) -> Float[Tensor, "B 2 h m n"]:
    if activation == "tanh":
        return scores.tanh()
    if activation == "softmax":
        weights = torch.linalg.vector_norm(scores, dim=1).softmax(-1)  # this norm has a gradient at zero
        return torch.stack([weights, torch.zeros_like(weights)], dim=1)
    real, imag = scores.unbind(1)
    # the usual form, (sinh 2a + i sin 2b) / (cosh 2a + cos 2b), overflows
    slope, sine, cosine = real.tanh(), imag.sin(), imag.cos()
    parts = torch.stack([slope, (1 - slope**2) * sine * cosine], dim=1)
    return parts / (cosine**2 + (slope * sine) ** 2)[:, None]
