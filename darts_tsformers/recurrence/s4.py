"""Structured state spaces: what a diagonal matrix minus a matrix of rank one answers with, step by step."""

import math
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Complex, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from darts_tsformers.recurrence._series import at_least_single, fft_size


def s4_kernel(
    poles: Complex[Tensor, "D N"],
    low_rank: Complex[Tensor, "D N"],
    write: Complex[Tensor, "D N"],
    read: Complex[Tensor, "K D N"],
    step: Float[Tensor, " D"],
    length: int,
) -> Float[Tensor, "K D L"]:
    r"""Return the impulse responses of a continuous state space, made discrete by the bilinear rule.

    .. math::

        A = \mathrm{diag}(w) - p p^*, \quad
        \bar A = \left(I - \tfrac{\Delta}{2} A\right)^{-1} \left(I + \tfrac{\Delta}{2} A\right), \quad
        \bar b = \left(I - \tfrac{\Delta}{2} A\right)^{-1} \Delta b, \quad
        k_i = c \bar A^i \bar b

    of which ``read`` is :math:`\tilde c = c (I - \bar A^L)`, see :func:`s4_read`. The response is then, at each root of
    unity ``z``, :math:`\tilde c (I - z \bar A)^{-1} \bar b`, where the Woodbury identity leaves sums over the poles;
    one inverse transform gives all ``L`` steps. O(K D N L) time, O(D (N + K) L) memory.

    Parameters
    ----------
    poles, low_rank, write
        ``w``, ``p`` and ``b``: one of each conjugate pair of states, whose other half is meant as well.
    read
        ``c-tilde`` of each of ``K`` outputs.
    step
        Time from one step to the next (``Delta``).
    length
        Steps ``L``, those of ``read``.

    Notes
    -----
    Gu, Goel and Ré, "Efficiently Modeling Long Sequences with Structured State Spaces", ICLR 2022. Both factors are
    multiplied by :math:`1 + z`, so that no root of unity is left out; the pair of a pole and its conjugate is summed in
    real numbers.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import s4_kernel, s4_legs, s4_read
    >>> poles, low_rank, write = (x.expand(3, -1) for x in s4_legs(n_pairs=4))
    >>> step = torch.tensor([0.01, 0.05, 0.1], dtype=torch.float64)
    >>> read = s4_read(poles, low_rank, torch.ones_like(write)[None], step, length=20)
    >>> s4_kernel(poles, low_rank, write, read, step, length=20).shape
    torch.Size([1, 3, 20])
    """
    angles = 2 * math.pi * torch.arange(length // 2 + 1, device=step.device, dtype=step.dtype) / length
    z = torch.polar(torch.ones_like(angles), -angles)
    left, right = 2 * (1 - z) / step[:, None], 1 + z
    rows = torch.cat([read, low_rank.conj()[None]])
    products = torch.cat([rows * write, rows * low_rank])
    of_write, of_low_rank = _sums_over_pairs(products.transpose(0, 1), poles, left, right).chunk(2, dim=1)
    share = right * of_write[:, -1] / (1 + right * of_low_rank[:, -1])
    response = 2 * (of_write[:, :-1] - of_low_rank[:, :-1] * share[:, None])
    return torch.fft.irfft(response, n=length).transpose(0, 1)


def _sums_over_pairs(
    products: Complex[Tensor, "D V N"],
    poles: Complex[Tensor, "D N"],
    left: Complex[Tensor, "D F"],
    right: Complex[Tensor, " F"],
) -> Complex[Tensor, "D V F"]:
    r"""Return :math:`\sum_n v_n / (l - r w_n)` over all poles, the conjugate ones of each pair as well."""
    pairs = (
        left.square()[:, None]
        - 2 * (left * right)[:, None] * poles.real[..., None]
        + right.square() * poles.abs().square()[..., None]
    )
    inverse = torch.view_as_real(pairs.reciprocal()).flatten(-2)
    factors = torch.cat([products.real, (products * poles.conj()[:, None]).real], dim=1)
    sums = torch.view_as_complex(rearrange(2 * factors @ inverse, "D V (F c) -> D V F c", c=2))
    of_left, of_right = sums.chunk(2, dim=1)
    return left[:, None] * of_left - right * of_right


def s4_read(
    poles: Complex[Tensor, "D N"],
    low_rank: Complex[Tensor, "D N"],
    read: Complex[Tensor, "K D N"],
    step: Float[Tensor, " D"],
    length: int,
) -> Complex[Tensor, "K D N"]:
    r"""Return :math:`c (I - \bar A^L)`: what :func:`s4_kernel` reads with, for steps up to ``length`` alone.

    O(D N^3 log L) time: for the start, and not for each batch.

    Parameters
    ----------
    poles, low_rank
        As of :func:`s4_kernel`.
    read
        ``c`` of each output, for any length.
    step
        Time from one step to the next.
    length
        Steps ``L``.

    Examples
    --------
    Of a state that forgets within the length, next to nothing is taken off:

    >>> import torch
    >>> from darts_tsformers.recurrence import s4_read
    >>> poles, read = torch.tensor([[-3.0 + 1j]]), torch.tensor([[[1.0 + 0j]]])
    >>> torch.allclose(s4_read(poles, 0 * poles, read, step=torch.tensor([0.5]), length=40), read)
    True
    """
    poles, low_rank, read = (torch.cat([x, x.conj()], dim=-1) for x in (poles, low_rank, read))
    matrix = torch.diag_embed(poles) - low_rank[..., :, None] * low_rank.conj()[..., None, :]
    one = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    half = matrix * (step / 2)[:, None, None]
    discrete = torch.linalg.solve(one - half, one + half)
    left = one - torch.linalg.matrix_power(discrete, length)
    return torch.einsum("kdn,dnm->kdm", read, left)[..., : poles.shape[-1] // 2]


def two_way_response(onward: Float[Tensor, "D L"], back: Float[Tensor, "D L"]) -> Complex[Tensor, "D F"]:
    """Return what :func:`two_way` takes: the transform of a response to what came before and to what follows.

    The response to an input ``i`` steps before is ``onward[i]``, the own step included; to one ``i + 1`` steps after it
    is ``back[i]``.

    Parameters
    ----------
    onward, back
        Responses of each feature.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import two_way_response
    >>> two_way_response(torch.ones(3, 5), torch.ones(3, 5)).shape  # frequencies of ten steps
    torch.Size([3, 6])
    """
    length = onward.shape[-1]
    gap = onward.new_zeros(len(onward), fft_size(2 * length) - 2 * length)
    return torch.fft.rfft(torch.cat([onward, gap, back.flip(-1)], dim=-1))


def two_way(x: Float[Tensor, "B D L"], response: Complex[Tensor, "D F"]) -> Float[Tensor, "B D L"]:
    """Answer to each step with what came before it and what follows. O(B D L log L).

    Parameters
    ----------
    x
        Sequences of each feature.
    response
        As :func:`two_way_response` returns it, for their length.

    Examples
    --------
    An input at the second of three steps:

    >>> import torch
    >>> from darts_tsformers.recurrence import two_way, two_way_response
    >>> response = two_way_response(onward=torch.tensor([[1.0, 0.5, 0.25]]), back=torch.tensor([[0.1, 0.0, 0.0]]))
    >>> two_way(torch.tensor([[[0.0, 1.0, 0.0]]]), response)
    tensor([[[0.1000, 1.0000, 0.5000]]])
    """
    out: Tensor = _TwoWay.apply(at_least_single(x), response)  # type: ignore[no-untyped-call]
    return out.to(x.dtype)


class _TwoWay(torch.autograd.Function):
    """The gradient goes the other way: real transforms there as well, where torch would take complex ones."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, response: Tensor) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else x.new_zeros(0), response)
        return _answer(torch.fft.rfft(x, _size(response)), response)[..., : x.shape[-1]]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, response = ctx.saved_tensors
        spectrum, d_x, d_response = torch.fft.rfft(d_out, _size(response)), None, None
        if ctx.needs_input_grad[1]:
            both = torch.full_like(response.real, 2 / _size(response))  # of a frequency and its mirror image
            both[:, 0] = both[:, -1] = 1 / _size(response)
            d_response = both * (torch.fft.rfft(x, _size(response)).conj() * spectrum).sum(dim=0)
        if ctx.needs_input_grad[0]:
            d_x = _answer(spectrum, response.conj())[..., : d_out.shape[-1]]
        return d_x, d_response


def _size(response: Complex[Tensor, "D F"]) -> int:
    return 2 * (response.shape[-1] - 1)


def _answer(spectrum: Complex[Tensor, "B D F"], response: Complex[Tensor, "D F"]) -> Float[Tensor, "B D S"]:
    return torch.fft.irfft(spectrum.mul_(response), _size(response))


def s4_legs(n_pairs: int) -> tuple[Complex[Tensor, "1 N"], Complex[Tensor, "1 N"], Complex[Tensor, "1 N"]]:
    r"""Return poles, low rank and write vector of the HiPPO-LegS matrix: a memory of all that came, in polynomials.

    .. math:: A_{nk} = -\sqrt{(2n + 1)(2k + 1)} \;\; (n > k), \quad -(n + 1) \;\; (n = k), \quad 0 \;\; (n < k)

    of order ``2 N``, in float64.

    Parameters
    ----------
    n_pairs
        Conjugate pairs ``N``.

    Examples
    --------
    >>> from darts_tsformers.recurrence import s4_legs
    >>> poles, low_rank, write = s4_legs(n_pairs=2)
    >>> poles.shape, poles.real.flatten().tolist()
    (torch.Size([1, 2]), [-0.5, -0.5])
    """
    n = torch.arange(2 * n_pairs, dtype=torch.float64, device="cpu")
    write = (2 * n + 1).sqrt()
    low_rank = (n + 0.5).sqrt()
    normal = -(write[:, None] * write).tril(-1) - torch.diag(n + 1) + low_rank[:, None] * low_rank
    skew = normal + 0.5 * torch.eye(2 * n_pairs, dtype=torch.float64, device="cpu")
    angles, vectors = torch.linalg.eigh(-1j * skew)
    angles, vectors = angles[n_pairs:], vectors[:, n_pairs:]
    poles = torch.complex(torch.full_like(angles, -0.5), angles)
    return poles[None], (vectors.mH @ low_rank.to(vectors.dtype))[None], (vectors.mH @ write.to(vectors.dtype))[None]
