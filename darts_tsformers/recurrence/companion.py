"""Companion state-space models: any autoregressive process, as a convolution, step by step, or fed back to itself."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag
from darts_tsformers.recurrence._series import at_least_single, product
from darts_tsformers.recurrence.companion_forms import (
    companion_kernel,
    companion_rollout,
    companion_state,
    companion_step,
)

SMALL_NORM = 1e-4
"""A vector with a smaller norm is not normalised: its direction would be noise."""


class CompanionSSM(nn.Module):
    r"""State-space models in companion form, one for each channel: the layer of SpaceTime.

    .. math::

        x_{t+1} = A x_t + b u_t, \qquad y_t = c^\top x_{t+1} + d u_t, \qquad
        A = \begin{pmatrix} & & a_1 \\ 1 & & a_2 \\ & 1 & a_3 \end{pmatrix}

    with :math:`x_0 = 0`. Any process that is autoregressive of an order up to n is one: with :math:`a = 0` and
    :math:`b = (1, 0, \dots)` the state holds the last n inputs, and ``c`` their coefficients, latest first.

    The whole is a causal convolution with the impulse response :math:`c^\top A^i b`, see
    :func:`~darts_tsformers.recurrence.companion_kernel`. In closed loop a fourth vector forecasts the next input,
    :math:`\hat u_t = k^\top x_t`, and :meth:`forecast` feeds it back: outputs are then
    :math:`c^\top (A + b k^\top)^h x`.

    Cost: O(n log n + L log L) time for each channel, O(L + n) memory; O(n) a channel for a step.

    Parameters
    ----------
    d_model
        Channels ``D``.
    d_state
        Size ``n`` of the state.
    n_kernels
        Sets of vectors; it must divide ``d_model``. Neighbouring channels share one. By default each has its own.
    closed_loop
        Whether there is a ``k``, for :meth:`forecast` and :meth:`next_inputs`. All vectors are then normalised.
    skip
        Whether there is a ``d``.
    norm_order
        Order of the norm that ``a`` is divided by, and in closed loop ``b``, ``c`` and ``k`` too. 0 leaves all as they
        are.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Zhang et al., "Effectively Modeling Time Series with Simple Discrete State Spaces", ICLR 2023, section 3;
    ``d_state`` is the paper's d.

    What is bounded: with ``norm_order=1`` no eigenvalue of A lies outside the unit circle, and the impulse response
    stays within :math:`2 \|b\|_1 \|c\|_1` however long it is. With 2 or 0 it may grow until it overflows. The closed
    loop is bounded by none of them: with ``norm_order=1``, :math:`a = b = (1, 0, \dots)` and
    :math:`k = (\dots, 0, 1)` double the state every n steps, 2,400 times in 720 steps at n = 64.

    Deviations: one set of normalised vectors serves state, outputs and next inputs alike (the authors' code mixes them
    with raw ones, so that its closed loop is not what feeding back gives); a norm too small to divide by is judged for
    each vector and not on average; in closed loop, too, channels may share a kernel. In half precision, all runs in
    float32 and outputs are rounded. A transform spreads its rounding over all steps: outputs depend on later inputs by
    about 1e-7 of the largest (1e-16 in double precision), and a NaN anywhere makes all outputs NaN; :meth:`advance`
    has neither.

    Examples
    --------
    A model that adds its last two inputs, and takes the sum for the next, goes on as Fibonacci's numbers:

    >>> import torch
    >>> from darts_tsformers.recurrence import CompanionSSM
    >>> ssm = CompanionSSM(1, 2, closed_loop=True, skip=False, norm_order=0)
    >>> vectors = {"a": [[0, 0]], "b": [[1, 0]], "c": [[1, 1]], "k": [[1, 1]]}
    >>> ssm.load_state_dict({name: torch.tensor(vector) for name, vector in vectors.items()})
    <All keys matched successfully>
    >>> outputs, _ = ssm.forecast(torch.tensor([[[1.0], [1.0]]]), 6)
    >>> outputs.round().flatten().tolist()
    [2.0, 3.0, 5.0, 8.0, 13.0, 21.0]
    """

    def __init__(
        self,
        d_model: int,
        d_state: int,
        n_kernels: int | None = None,
        *,
        closed_loop: bool = False,
        skip: bool = True,
        norm_order: int = 1,
    ) -> None:
        super().__init__()
        n_kernels = d_model if n_kernels is None else n_kernels
        require_at_least(1, d_model=d_model, d_state=d_state, n_kernels=n_kernels)
        require_at_least(0, norm_order=norm_order)
        require_flag(closed_loop=closed_loop, skip=skip)
        if d_model % n_kernels:
            raise ValueError(f"n_kernels={n_kernels} must divide d_model={d_model}")
        self.d_model, self.n_heads = d_model, d_model // n_kernels
        self.norm_order, self.closed_loop = norm_order, closed_loop
        for name in ("a", "b", "c", "k") if closed_loop else ("a", "b", "c"):
            self.register_parameter(name, nn.Parameter(torch.randn(n_kernels, d_state)))
        self.skip = nn.Parameter(torch.randn(d_model)) if skip else None

    def vectors(self) -> dict[str, Float[Tensor, "K n"]]:
        """Return the vectors of each kernel as they are used, by name."""
        raw = {name: at_least_single(p) for name, p in self.named_parameters() if name != "skip"}
        used = raw if self.closed_loop else {"a": raw["a"]}
        return raw | {name: normalised(vector, self.norm_order) for name, vector in used.items()}

    def channels(self) -> dict[str, Float[Tensor, "D n"]]:
        """Return the vectors of each channel as they are used, by name."""
        return {name: vector.repeat_interleave(self.n_heads, dim=0) for name, vector in self.vectors().items()}

    def forward(self, u: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Return the outputs to all inputs."""
        self._require_width(u)
        return self._with_skip(self._convolve(u, "c"), u)

    def next_inputs(self, u: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Return for each step what it forecasts the next input to be."""
        self._require_closed_loop("next_inputs")
        self._require_width(u)
        return self._convolve(u, "k").to(u.dtype)

    def state(self, u: Float[Tensor, "B L D"]) -> Float[Tensor, "B D n"]:
        """Return the state after all inputs."""
        self._require_width(u)
        vectors = self.channels()
        return companion_state(u.mT, vectors["a"], vectors["b"])

    def begin(self, u: Float[Tensor, "B L D"]) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B D n"]]:
        """Return the outputs to all inputs, and the state after them."""
        return self(u), self.state(u)

    def advance(
        self, u: Float[Tensor, "B D"], state: Float[Tensor, "B D n"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D n"]]:
        """Return the output to one more input, and the state after it."""
        self._require_width(u)
        vectors = self.channels()
        state = companion_step(u, state, vectors["a"], vectors["b"])
        return self._with_skip((vectors["c"] * state).sum(-1), u), state

    def forecast(
        self, u: Float[Tensor, "B L D"], horizon: int
    ) -> tuple[Float[Tensor, "B H D"], Float[Tensor, "B H D"]]:
        """Feed each next input back, and return the outputs and these inputs.

        The first output is the one to the last input given, and the first input the one after that.

        Raises
        ------
        ValueError
            If the layer has no closed loop, or ``horizon`` is below 1.
        """
        self._require_closed_loop("forecast")
        outputs, inputs = self.ahead(self.state(u), horizon)
        fed = torch.cat([u[:, -1:], inputs[:, :-1].to(u.dtype)], dim=1)
        return self._with_skip(outputs, fed), inputs.to(u.dtype)

    def ahead(
        self, state: Float[Tensor, "B D n"], horizon: int, drive: Float[Tensor, "B H D"] | None = None
    ) -> tuple[Float[Tensor, "B H D"], Float[Tensor, "B H D"]]:
        r"""Go on from a state: return :math:`c^\top x_h` and the next inputs, each of which is fed back.

        Parameters
        ----------
        state
            After the last input.
        horizon
            Steps ``H``.
        drive
            What is added to each input before it is fed back; what is returned is without.

        Raises
        ------
        ValueError
            If the layer has no closed loop, or ``horizon`` is below 1.
        """
        self._require_closed_loop("ahead")
        require_at_least(1, horizon=horizon)
        driven = None if drive is None else drive.mT
        outputs, inputs = companion_rollout(state, **self.channels(), horizon=horizon, drive=driven)
        return outputs.mT, inputs.mT

    def _convolve(self, u: Float[Tensor, "B L D"], output: str) -> Float[Tensor, "B L D"]:
        vectors, length = self.vectors(), u.shape[1]
        kernels = companion_kernel(vectors["a"], vectors["b"], vectors[output], length)
        return product(u.mT, kernels.repeat_interleave(self.n_heads, dim=0), length).mT

    def _with_skip(self, y: Float[Tensor, "*B D"], u: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return (y if self.skip is None else y + self.skip * u).to(u.dtype)

    def _require_width(self, u: Float[Tensor, "*B D"]) -> None:
        if u.shape[-1] != self.d_model:  # a single channel would be broadcast
            raise ValueError(f"u has {u.shape[-1]} channels instead of d_model={self.d_model}")

    def _require_closed_loop(self, method: str) -> None:
        if not self.closed_loop:
            raise ValueError(f"closed_loop={self.closed_loop} must be True for {method}")


def normalised(x: Float[Tensor, "*K n"], order: int) -> Float[Tensor, "*K n"]:
    """Divide vectors by their norm, unless it is below 1e-4; order 0 leaves them as they are."""
    if order == 0:
        return x
    norm = torch.linalg.vector_norm(x, ord=order, dim=-1, keepdim=True)
    return x / torch.where(norm < SMALL_NORM, torch.ones_like(norm), norm)
