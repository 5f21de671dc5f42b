"""Companion state-space models as series, not matrices: impulse response, state, step and closed loop."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.recurrence._series import at_least_single, delayed, product, quotient


def companion_kernel(
    a: Float[Tensor, "*as n"], b: Float[Tensor, "*bs n"], c: Float[Tensor, "*cs n"], length: int
) -> Float[Tensor, "*K L"]:
    r"""Return the impulse response of companion models: :math:`c^\top A^i b` for i = 0, ..., L - 1.

    Its power series is a quotient of polynomials, in O(n log n + L log L) and without a power of A:

    .. math::

        \sum_i (c^\top A^i b) z^i = \frac{N(z)}{D(z)}, \qquad D(z) = 1 - \sum_{j=1}^n a_j z^{n+1-j}

    with N of a degree below n. So from step n on it obeys the recurrence whose coefficients are ``a``.

    Parameters
    ----------
    a, b, c
        Vectors. Leading axes are broadcast against each other.
    length
        Steps ``L``.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import companion_kernel
    >>> a, b, c = torch.tensor([[0.0, 0.5], [1, 0], [2, 1]], dtype=torch.float64)
    >>> companion_kernel(a, b, c, 6).round(decimals=9).tolist()  # from step 2 on, half of the step before
    [2.0, 1.0, 0.5, 0.25, 0.125, 0.0625]
    """
    return quotient(_numerator(a, b, c)[..., :length], _denominator(a), length)


def companion_state(
    u: Float[Tensor, "*us L"], a: Float[Tensor, "*as n"], b: Float[Tensor, "*bs n"]
) -> Float[Tensor, "*K n"]:
    r"""Return the state after all inputs, in O(L log L).

    An entry of the state is a sum over the entries before it, :math:`\sum_r a_{k-r} w_{L-1-r} + b_{k-r} u_{L-1-r}`
    where :math:`w` is the series of the last entry. So that one is convolved over all steps, and the others are
    products of length n.

    Parameters
    ----------
    u
        Inputs, time last.
    a, b
        Vectors. Leading axes are broadcast against each other and those of ``u``.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import companion_state
    >>> companion_state(torch.tensor([3.0, 5, 7]), torch.zeros(2), torch.tensor([1.0, 0]))  # the last two
    tensor([7., 5.])
    """
    n, length = a.shape[-1], u.shape[-1]
    last = delayed(product(u, quotient(b.flip(-1)[..., :length], _denominator(a), length), length))
    return product(a, last.flip(-1)[..., :n], n) + product(b, u.flip(-1)[..., :n], n)


def companion_step(
    u: Float[Tensor, "*us"], state: Float[Tensor, "*xs n"], a: Float[Tensor, "*as n"], b: Float[Tensor, "*bs n"]
) -> Float[Tensor, "*K n"]:
    """Return the state after one more input: :math:`A x + b u` in O(n).

    Parameters
    ----------
    u
        Inputs.
    state
        States ``x`` before them.
    a, b
        Vectors. Leading axes are broadcast against each other and those of inputs and states.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import companion_step
    >>> state = torch.tensor([5.0, 3.0])
    >>> companion_step(torch.tensor(7.0), state, a=torch.tensor([0, 0.5]), b=torch.tensor([1.0, 0]))
    tensor([7.0000, 6.5000])
    """
    return delayed(state) + a * state[..., -1:] + b * u[..., None]


def companion_rollout(
    state: Float[Tensor, "*xs n"],
    a: Float[Tensor, "*as n"],
    b: Float[Tensor, "*bs n"],
    c: Float[Tensor, "*cs n"],
    k: Float[Tensor, "*ks n"],
    horizon: int,
    drive: Float[Tensor, "*ds H"] | None = None,
) -> tuple[Float[Tensor, "*K H"], Float[Tensor, "*K H"]]:
    r"""Feed the next inputs back: return :math:`c^\top (A + b k^\top)^h x` and :math:`k^\top (A + b k^\top)^h x`.

    With a ``drive``, each input that is fed back has something added:
    :math:`x_{h+1} = (A + b k^\top) x_h + b e_h`. As all is linear, that is a convolution with what the closed loop
    answers to a pulse.

    Both are quotients of polynomials again, with the same denominator: in closed loop outputs and inputs obey one
    recurrence of order n. O(n log n + H log H) time. Rounding is that of the largest step: where a loop grows a
    millionfold, single precision has one digit left for its first steps.

    Parameters
    ----------
    state
        States ``x`` to start from.
    a, b, c, k
        Vectors. Leading axes are broadcast against each other and those of the states.
    horizon
        Steps ``H``.
    drive
        What is added to the inputs fed back, ``e``; its last step comes too late to matter.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import companion_rollout
    >>> a, b, k = torch.tensor([[0.0, 0], [1, 0], [0, 1]], dtype=torch.float64)
    >>> state = torch.tensor([7.0, 5], dtype=torch.float64)  # the last input and the one before
    >>> companion_rollout(state, a, b, k, k, horizon=4)[1]  # go on with what was two steps ago
    tensor([5., 7., 5., 7.], dtype=torch.float64)
    >>> drive = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)  # the first value fed back is 5 + 1
    >>> companion_rollout(state, a, b, k, k, horizon=4, drive=drive)[1].round(decimals=9)
    tensor([5., 7., 6., 7.], dtype=torch.float64)
    """
    if drive is not None:
        free, pulse = (companion_rollout(x, a, b, c, k, horizon) for x in (state, b))
        outputs, inputs = (y + product(delayed(drive), h, horizon) for y, h in zip(free, pulse, strict=True))
        return outputs, inputs
    opened = _denominator(a)
    closed = opened - delayed(F.pad(_numerator(a, b, k), (0, 1)))
    free_inputs, free_outputs = _numerator(a, state, k), _numerator(a, state, c)
    n = min(horizon, a.shape[-1])
    inputs = quotient(free_inputs[..., :n], closed, horizon)
    # n terms are all of the polynomial over `closed`: an open loop that grows cannot spoil a closed one that does not
    forced = delayed(product(_numerator(a, b, c), free_inputs, n))
    outputs = quotient(quotient(product(free_outputs, closed, n) + forced, opened, n), closed, horizon)
    return outputs, inputs


def _denominator(a: Float[Tensor, "*as n"]) -> Float[Tensor, "*as m"]:
    a = at_least_single(a)
    return torch.cat([torch.ones_like(a[..., :1]), -a.flip(-1)], dim=-1)


def _numerator(
    a: Float[Tensor, "*as n"], b: Float[Tensor, "*bs n"], c: Float[Tensor, "*cs n"]
) -> Float[Tensor, "*K n"]:
    r"""Return the polynomial over :func:`_denominator` that makes the impulse response.

    With :math:`g_i` the last entry of :math:`A^i b`, and :math:`(c \star b)_i = \sum_k c_k b_{k-i}`, the response is
    :math:`c \star b + z g \cdot (c \star a)`, and :math:`g` is ``b`` from its end on, over the denominator.
    """
    n = a.shape[-1]
    reverse = torch.stack(torch.broadcast_tensors(a, b)).flip(-1)  # type: ignore[no-untyped-call]
    correlated = product(c, reverse, 2 * n - 1)[..., n - 1 :]  # with a, with b
    with_b, with_a = product(correlated, reverse.flip(0), n)
    return correlated[1] + delayed(with_b - with_a)
