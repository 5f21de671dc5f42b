"""Attention between the modes of two spectra."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.layers.frequency.spectrum import complex_einsum

ACTIVATIONS = ("complex_tanh", "softmax", "tanh")


def attend(
    q: Float[Tensor, "B 2 m h e"],
    k: Float[Tensor, "B 2 n h e"],
    v: Float[Tensor, "B 2 n h e"],
    *,
    activation: str,
    scale: float = 1.0,
) -> Float[Tensor, "B 2 m h e"]:
    """Attend from the modes of a spectrum to those of another; ``scale`` multiplies the scores."""
    return attended(mode_weights(q, k, activation=activation, scale=scale), v)


def mode_weights(
    q: Float[Tensor, "B 2 m h e"], k: Float[Tensor, "B 2 n h e"], *, activation: str, scale: float = 1.0
) -> Float[Tensor, "B 2 h m n"]:
    """Return the complex weights from the modes of a spectrum to those of another."""
    return _activate(complex_einsum("bcmhe,bnhe->cbhmn", scale * q, *k.unbind(1)), activation)


def attended(weights: Float[Tensor, "B 2 h m n"], v: Float[Tensor, "B 2 n h e"]) -> Float[Tensor, "B 2 m h e"]:
    """Sum the modes of a spectrum by complex weights."""
    return complex_einsum("bchmn,bnhe->cbmhe", weights, *v.unbind(1))


def score_scale(width: int, length: int, memory_length: int) -> float:
    r"""Return what brings the scores between two spectra of white noise to unit variance.

    A mode of a signal of L steps with unit variance is a sum of L random terms: its real and its imaginary part have
    the variance L / 2 each. A score adds up, over e features, products of such parts, two in its real and two in its
    imaginary part. So each part has the variance :math:`2 e \cdot (L / 2)(M / 2) = e L M / 2`. Mode 0, which is real
    with the variance L, has the same variance with all modes but its like.
    """
    return 1 / math.sqrt(width * length * memory_length / 2)


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
