"""SpaceTime: blocks of companion models over differences and averages, and a decoder that feeds itself."""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_flag
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recurrent.differencing import Differencing
from darts_tsformers.recurrence import CompanionSSM, rollout_waves


class Repeat(nn.Module):
    """Lay out values side by side, over and over, until all channels are taken: an embedding without weights.

    Parameters
    ----------
    n_in
        Values of a step; it must divide ``d_model``.
    d_model
        Channels ``D``.

    Raises
    ------
    ValueError
        If it does not.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.spacetime import Repeat
    >>> Repeat(2, 6)(torch.tensor([3.0, 5.0]))
    tensor([3., 5., 3., 5., 3., 5.])
    """

    def __init__(self, n_in: int, d_model: int) -> None:
        super().__init__()
        if d_model % n_in:
            raise ValueError(f"d_model={d_model} must be a multiple of the {n_in} values that are repeated")
        self.n_times = d_model // n_in

    def forward(self, x: Float[Tensor, "*B n"]) -> Float[Tensor, "*B D"]:
        """Repeat the values."""
        return x.repeat(*[1] * (x.ndim - 1), self.n_times)


class BlockState(NamedTuple):
    """What a block keeps of a series.

    Attributes
    ----------
    past
        Inputs that the fixed kernels still need; None without them.
    state
        That of the companion models.
    """

    past: Tensor | None
    state: Tensor


class SpaceTimeBlock(nn.Module):
    r"""Mix steps by companion models, then channels by a linear map.

    .. math::

        v = \mathrm{pre}(u), \qquad y = \mathrm{SSM}(v), \qquad u \leftarrow v + y + W\, \mathrm{gelu}(y) + b

    Cost: O(L log L) for each channel; O(n + w) for each further step, for a state of size n and the longest moving
    average w.

    Parameters
    ----------
    ssm
        Companion models, one for each channel, with a skip.
    preprocessing
        Fixed kernels in front; None for none.
    skip_preprocessing
        Whether what goes around the models is the input itself, and not what is left of it after the fixed kernels.
    dropout
        In front of the linear map.

    Raises
    ------
    ValueError
        If ``skip_preprocessing`` is no flag.

    Notes
    -----
    Zhang et al., "Effectively Modeling Time Series with Simple Discrete State Spaces", ICLR 2023, figure 3.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.differencing import Differencing
    >>> from darts_tsformers.layers.recurrent.spacetime import SpaceTimeBlock
    >>> from darts_tsformers.recurrence import CompanionSSM
    >>> block = SpaceTimeBlock(CompanionSSM(16, 5, n_kernels=2), Differencing(16)).eval()
    >>> u = torch.randn(3, 12, 16)  # (B, L, D)
    >>> _, state = block.begin(u[:, :11])
    >>> y, state = block.advance(u[:, 11], state)
    >>> torch.allclose(y, block(u)[:, 11], atol=1e-5)
    True
    """

    def __init__(
        self,
        ssm: CompanionSSM,
        preprocessing: Differencing | None = None,
        *,
        skip_preprocessing: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_flag(skip_preprocessing=skip_preprocessing)
        self.preprocessing = preprocessing
        self.ssm = ssm
        self.skip_preprocessing = skip_preprocessing
        self.dropout = Dropout(dropout)
        self.mix = nn.Linear(ssm.d_model, ssm.d_model)

    def forward(self, u: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None = None) -> Float[Tensor, "B L D"]:
        """Encode the steps; those that ``mask`` says are not there have to be zero, and stay so."""
        v = u if self.preprocessing is None else self.preprocessing(u)
        return masked(self._completed(u, v, self.ssm(v)), mask)

    def begin(
        self, u: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], BlockState]:
        """Encode the steps, and keep what :meth:`advance` needs to go on."""
        v, past = (u, None) if self.preprocessing is None else self.preprocessing.begin(u)
        y, state = self.ssm.begin(v)
        return masked(self._completed(u, v, y), mask), BlockState(past, state)

    def advance(self, u: Float[Tensor, "B D"], kept: BlockState) -> tuple[Float[Tensor, "B D"], BlockState]:
        """Encode one more step."""
        v, past = u, kept.past
        if self.preprocessing is not None:
            v, past = self.preprocessing.advance(u, cast(Tensor, kept.past))
        y, state = self.ssm.advance(v, kept.state)
        return self._completed(u, v, y), BlockState(past, state)

    def _completed(
        self, u: Float[Tensor, "*B D"], v: Float[Tensor, "*B D"], y: Float[Tensor, "*B D"]
    ) -> Float[Tensor, "*B D"]:
        mixed: Tensor = y + self.mix(self.dropout(F.gelu(y)))
        return mixed + (u if self.skip_preprocessing else v)


class DecoderState(NamedTuple):
    """What a decoder keeps of a series.

    Attributes
    ----------
    state
        That of the companion models, before the last input.
    last
        The last input, which goes in with what is known of the step after it.
    """

    state: Tensor
    last: Tensor


class SpaceTimeDecoder(nn.Module):
    r"""Forecast each step from the state before it, and go on by feeding forecasts of the inputs back.

    .. math::

        x_t = A x_{t-1} + b\,(u_{t-1} + e_t), \qquad y_t = W\, \mathrm{gelu}(c^\top x_t) + w, \qquad
        \hat u_t = k^\top x_t

    from :math:`x_{-1} = 0` and :math:`u_{-1} = 0`, where :math:`e_t` is what is known of step t. In open loop all
    inputs are given; in closed loop :math:`\hat u_t` takes the place of those that are not. Gelu acts once on what is
    read of the state, never on what is fed back, so that a whole forecast is a convolution.

    Cost: O(L log L + H log H) for each channel.

    Parameters
    ----------
    ssm
        Companion models with a closed loop and no skip.
    n_out
        Values to forecast of each step.
    dropout
        On what the forecast is read from.

    Notes
    -----
    Zhang et al., "Effectively Modeling Time Series with Simple Discrete State Spaces", ICLR 2023, section 3.2. What is
    known of a step is our addition.

    Examples
    --------
    The first step after a series is forecast alike in open and in closed loop:

    >>> import torch
    >>> from darts_tsformers.layers.recurrent.spacetime import SpaceTimeDecoder
    >>> from darts_tsformers.recurrence import CompanionSSM
    >>> decoder = SpaceTimeDecoder(CompanionSSM(8, 5, closed_loop=True, skip=False), n_out=2).eval()
    >>> u = torch.randn(3, 12, 8)  # (B, L, D)
    >>> one_by_one, next_inputs = decoder.open_loop(u)
    >>> ahead = decoder.closed_loop(decoder.begin(u), horizon=7)
    >>> one_by_one.shape, ahead.shape
    (torch.Size([3, 13, 2]), torch.Size([3, 7, 2]))
    >>> torch.allclose(one_by_one[:, 12], ahead[:, 0], atol=1e-5)
    True
    """

    def __init__(self, ssm: CompanionSSM, n_out: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.ssm = ssm
        self.dropout = Dropout(dropout)
        self.project = nn.Linear(ssm.d_model, n_out)

    def open_loop(
        self, u: Float[Tensor, "B L D"], known: Float[Tensor, "B M D"] | None = None
    ) -> tuple[Float[Tensor, "B M n"], Float[Tensor, "B M D"]]:
        """Forecast each step from those before it, up to the one after the last: of M = L + 1, values and inputs."""
        fed = with_known(F.pad(u, (0, 0, 1, 0)), known)
        return self._read(self.ssm(fed)), self.ssm.next_inputs(fed)

    def begin(self, u: Float[Tensor, "B L D"], known: Float[Tensor, "B L D"] | None = None) -> DecoderState:
        """Read a series, with what is known of its steps."""
        state = self.ssm.state(with_known(F.pad(u[:, :-1], (0, 0, 1, 0)), known))
        return DecoderState(state, u[:, -1])

    def advance(
        self, u: Float[Tensor, "B D"], kept: DecoderState, known: Float[Tensor, "B D"] | None = None
    ) -> DecoderState:
        """Take in one more step, with what is known of it."""
        _, state = self.ssm.advance(with_known(kept.last, known), kept.state)
        return DecoderState(state, u)

    def closed_loop(
        self, kept: DecoderState, horizon: int, known: Float[Tensor, "B H D"] | None = None
    ) -> Float[Tensor, "B H n"]:
        """Forecast the steps after the last one, with what is known of them."""
        state = self.after_last(kept, known)
        outputs, _ = self.ssm.ahead(state, horizon, None if known is None else F.pad(known[:, 1:], (0, 0, 0, 1)))
        return self._read(outputs.to(kept.last.dtype))

    def after_last(self, kept: DecoderState, known: Float[Tensor, "B H D"] | None = None) -> Float[Tensor, "B D n"]:
        """Return the state that the closed loop starts from."""
        _, state = self.ssm.advance(with_known(kept.last, None if known is None else known[:, 0]), kept.state)
        return state

    def spectrum(
        self, state: Float[Tensor, "B D n"], horizon: int, longest: int
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        """Return the periods of the waves that a forecast is made of, and the weight of each.

        Weights are sizes as in :func:`~darts_tsformers.recurrence.rollout_waves`, times what the last map makes of each
        channel, with periods rounded to whole steps: 2 to ``longest``, and behind them infinity, for all that is longer
        or does not swing. What is known of the horizon, and gelu, are left out.

        Parameters
        ----------
        state
            That which the closed loop starts from.
        horizon
            Steps ``H``.
        longest
            Longest period that counts as one, at least 2.
        """
        channels = self.ssm.channels()
        heard = self.project.weight.detach().double().abs().sum(dim=0).cpu()
        weight = heard.new_zeros(len(state), longest)
        for d in range(self.ssm.d_model):
            periods, sizes = rollout_waves(state[:, d], **{name: x[d] for name, x in channels.items()}, horizon=horizon)
            steps = periods.round()
            at = torch.where(steps <= longest, steps - 2, longest - 1).long()
            weight.index_add_(1, at, sizes * heard[d])
        period = torch.cat([torch.arange(2.0, longest + 1), torch.tensor([torch.inf])])
        return period.expand(len(state), -1), weight.float()

    def _read(self, y: Float[Tensor, "B M D"]) -> Float[Tensor, "B M n"]:
        out: Tensor = self.project(self.dropout(F.gelu(y)))
        return out


def masked(x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None) -> Float[Tensor, "B L D"]:
    """Set steps that are not there to zero."""
    return x if mask is None else torch.where(mask[..., None], x, torch.zeros_like(x))


def with_known(u: Float[Tensor, "*B D"], known: Float[Tensor, "*B D"] | None) -> Float[Tensor, "*B D"]:
    """Add what is known of the step to come."""
    return u if known is None else u + known
