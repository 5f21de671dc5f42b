"""FEDformer's wavelet blocks: a sequence as a tree of Legendre multiwavelets, each level worked on at its low modes."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag, require_one_of
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.layers.frequency.legendre import merge, split
from darts_tsformers.layers.frequency.mode_attention import ACTIVATIONS, attend, score_scale
from darts_tsformers.layers.frequency.modes import record_whole_spectrum
from darts_tsformers.layers.frequency.spectrum import (
    ModeWeights,
    PartialFourier,
    at_least_single,
    require_length,
)
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recording.layout import Durations


class _Multiwavelet(nn.Module, ABC):
    """What both blocks share: sizes, projections and the way down the tree and up again."""

    def __init__(
        self,
        d_model: int,
        length: int,
        *,
        n_inputs: int,
        n_channels: int,
        order: int,
        n_modes: int,
        n_coarse_levels: int,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, length=length, n_channels=n_channels, order=order, n_modes=n_modes)
        require_at_least(0, n_coarse_levels=n_coarse_levels)
        self.length = length
        self.order = order
        self.n_levels = max(0, length.bit_length() - 1 - n_coarse_levels)
        self.n_modes = min(n_modes, _finest(length, self.n_levels) // 2 + 1)
        n_features = n_channels * order
        self.project_in = nn.ModuleList(nn.Linear(d_model, n_features) for _ in range(n_inputs))
        self.project_out = nn.Linear(n_features, d_model)

    def _apply_tree(self, *inputs: Float[Tensor, "B h L e"]) -> Float[Tensor, "B h L e"]:
        like = inputs[0]
        signals = [
            rearrange(project(rearrange(x, "B h L e -> B L (h e)")), "B L (c k) -> B L c k", k=self.order)
            for project, x in zip(self.project_in, inputs, strict=True)
        ]
        with without_autocast(like):
            out = self._work([_padded(x.to(at_least_single(x))) for x in signals])
        tokens = self.project_out(out[:, : self.length].flatten(2).to(signals[0].dtype))
        record_whole_spectrum(self, tokens)
        return rearrange(tokens, "B L (h e) -> B h L e", h=like.shape[1]).to(like.dtype)

    def _work(self, smooth: list[Float[Tensor, "B n c k"]]) -> Float[Tensor, "B n c k"]:
        levels = []
        for _ in range(self.n_levels):
            parts = [split(x) for x in smooth]
            smooth, detail = [s for s, _ in parts], [d for _, d in parts]
            levels.append(self._level(smooth, detail))
        out = self._coarsest(smooth)
        if is_recording("levels"):
            energy = torch.stack([_energy(*parts) for parts in (*levels, (out,))], dim=-1)
            record("levels", self, weight=energy / energy.sum(-1, keepdim=True).clamp_min(1e-30))
        for to_smooth, to_detail in reversed(levels):
            out = merge(out + to_smooth, to_detail)
        return out

    def durations(self) -> dict[str, Durations]:
        """Return the steps of the pieces that each level works on; the last has what is coarser.

        They are no periods: with several coefficients to a step, the shape within a piece can be of any. The periods of
        what a block puts out are recorded as ``"modes"``.
        """
        spans = [2 ** (i + 1) for i in range(self.n_levels)]
        return {"level": Durations((*spans, 2**self.n_levels), open_ended=True)}

    @abstractmethod
    def _level(
        self, smooth: list[Float[Tensor, "B n c k"]], detail: list[Float[Tensor, "B n c k"]]
    ) -> tuple[Float[Tensor, "B n c k"], Float[Tensor, "B n c k"]]:
        """Return what a level adds to the smooth part that comes up from below, and its details."""

    @abstractmethod
    def _coarsest(self, smooth: list[Float[Tensor, "B n c k"]]) -> Float[Tensor, "B n c k"]:
        """Return the smooth part of the last level."""


class MultiwaveletBlock(_Multiwavelet):
    r"""FEDformer's wavelet enhanced block (FEB-w), in place of self-attention.

    The queries are projected to ``c`` channels of ``k`` coefficients. Each level halves the length, with the filters of
    :func:`~darts_tsformers.layers.frequency.legendre.legendre_filters`, and gives

    .. math::

        s_{i+1}, d_i = \mathrm{split}(s_i), \qquad \hat d_i = A\,d_i + B\,s_{i+1}, \qquad \hat s_i = C\,d_i

    with the operators A, B and C, shared by all levels: each has a complex matrix, for all channels and coefficients
    together, for each of the lowest modes, and drops all other modes. On the way up, beginning with a linear map ``T``
    of the coefficients of the coarsest level,

    .. math:: o_n = T\,s_n, \qquad o_i = \mathrm{merge}(o_{i+1} + \hat s_i, \hat d_i)

    A length N that is no power of two is filled up to the next one with the head of the series, and cut again.

    Cost: O(N (m + D) c k) time, O(N (c k + m)) memory and :math:`6 m (c k)^2` parameters: 98 thousand by default, and
    100 million with the paper's sizes.

    Parameters
    ----------
    d_model
        Width ``D``.
    length
        Steps ``N``.
    n_channels, order
        Channels ``c`` and coefficients ``k``; the paper's sizes are 128 and 8.
    n_modes
        Modes of the operators, at most those of the finest level; shorter levels have fewer, and use the first
        matrices.
    n_coarse_levels
        Levels left out at the coarse end. A series is halved :math:`\lfloor \log_2 N \rfloor` times less this many, as
        the attribute ``n_levels`` says. By default, one of fewer than 16 steps never is, and ``T`` is all there is.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Zhou et al., "FEDformer", ICML 2022, section 3.3, after Gupta et al., "Multiwavelet-based Operator Learning for
    Differential Equations", NeurIPS 2021. ``n_modes`` is the authors' alpha, ``n_coarse_levels`` their L. Deviations:
    the sizes by default; the authors take the values, not the queries, which in self-attention is another name for one
    projection of the same tokens; and detail filters that are orthogonal at every order (to 7e-16; those of their code
    are not at order 8, by 0.30), without which a tree does not give back what went in.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.frequency.wavelet import MultiwaveletBlock
    >>> block = MultiwaveletBlock(d_model=8, length=40, n_coarse_levels=3)
    >>> block.n_levels  # 40 steps can be halved 5 times
    2
    >>> block(torch.randn(3, 2, 40, 4)).shape  # (B, h, L, e)
    torch.Size([3, 2, 40, 4])
    """

    def __init__(
        self,
        d_model: int,
        length: int,
        *,
        n_channels: int = 8,
        order: int = 4,
        n_modes: int = 16,
        n_coarse_levels: int = 3,
    ) -> None:
        super().__init__(
            d_model,
            length,
            n_inputs=1,
            n_channels=n_channels,
            order=order,
            n_modes=n_modes,
            n_coarse_levels=n_coarse_levels,
        )
        if self.n_levels:  # weights that nothing uses would stop data-parallel training
            self.detail_from_detail, self.detail_from_smooth, self.smooth_from_detail = (
                ModeWeights(1, self.n_modes, n_channels * order) for _ in range(3)
            )
        self.coarsest = nn.Linear(order, order)

    def forward(self, q: Float[Tensor, "B h L e"], *_: Tensor) -> Float[Tensor, "B h L e"]:
        """Work on the queries. Keys and values may be given, as to an attention; they are not looked at.

        Raises
        ------
        ValueError
            If the queries are not as many as the layer was built for.
        """
        require_length(self.length, q=q)
        return self._apply_tree(q)

    def _level(
        self, smooth: list[Float[Tensor, "B n c k"]], detail: list[Float[Tensor, "B n c k"]]
    ) -> tuple[Float[Tensor, "B n c k"], Float[Tensor, "B n c k"]]:
        (s,), (d,) = smooth, detail
        fourier = _lowest_modes(d, self.n_modes)
        of_s, of_d = (fourier.transform(rearrange(x, "B n c k -> B n 1 (c k)")) for x in (s, d))
        to_smooth = self.smooth_from_detail(of_d)
        to_detail = self.detail_from_detail(of_d) + self.detail_from_smooth(of_s)
        return fourier.inverse(to_smooth).reshape(d.shape), fourier.inverse(to_detail).reshape(d.shape)

    def _coarsest(self, smooth: list[Float[Tensor, "B n c k"]]) -> Float[Tensor, "B n c k"]:
        (s,) = smooth
        return self.coarsest(s.to(self.coarsest.weight.dtype)).to(s.dtype)


class MultiwaveletAttention(_Multiwavelet):
    r"""FEDformer's wavelet enhanced attention (FEA-w), in place of cross-attention.

    Queries, keys and values go down a tree each, as in :class:`MultiwaveletBlock`. At each level

    .. math::

        \hat s_i = \mathrm{attend}(d_i^q, d_i^k, d_i^v), \qquad
        \hat d_i = \mathrm{attend}(d_i^q, d_i^k, d_i^v) + \mathrm{attend}(s_{i+1}^q, s_{i+1}^k, s_{i+1}^v)

    and at the coarsest :math:`o_n = \mathrm{attend}(s_n^q, s_n^k, s_n^v)`, with an attention between the lowest modes,
    channel by channel, which has no weights.

    Keys and values are brought to the length of the queries first: cut to their last steps, or followed by zeros.

    Parameters
    ----------
    d_model
        Width ``D``.
    length
        Steps of the queries; there may be any number of keys.
    n_channels, order, n_modes, n_coarse_levels
        As in :class:`MultiwaveletBlock`; the paper's sizes are 64, 8, 16 and 3.
    activation, scale_scores
        As in :class:`~darts_tsformers.layers.frequency.fourier.FourierAttention`, with the coefficients for features.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Zhou et al., "FEDformer", ICML 2022, section 3.3. Deviations: the sizes by default, the activation by default,
    the scaled scores, values where the authors' code takes keys once more, the last steps where it keeps the first, and
    too few keys and values filled up with zeros before they are projected, not after. A score is a sum over the
    coefficients of one channel, as a head's is over its features; in the authors' code it is a sum over channels for
    each coefficient. The highest mode of an even length stays, and nothing is divided by the square of the width: what
    the block gives has the size of its values whatever the width is.
    """

    def __init__(
        self,
        d_model: int,
        length: int,
        *,
        n_channels: int = 8,
        order: int = 4,
        n_modes: int = 16,
        n_coarse_levels: int = 3,
        activation: str = "tanh",
        scale_scores: bool = True,
    ) -> None:
        super().__init__(
            d_model,
            length,
            n_inputs=3,
            n_channels=n_channels,
            order=order,
            n_modes=n_modes,
            n_coarse_levels=n_coarse_levels,
        )
        require_one_of(ACTIVATIONS, activation=activation)
        require_flag(scale_scores=scale_scores)
        self.activation = activation
        self.scale_scores = scale_scores

    def forward(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], v: Float[Tensor, "B h M e"]
    ) -> Float[Tensor, "B h L e"]:
        """Attend level by level.

        Raises
        ------
        ValueError
            If the queries are not as many as the layer was built for.
        """
        require_length(self.length, q=q)
        missing = max(0, self.length - k.shape[2])
        return self._apply_tree(q, *(F.pad(t[:, :, -self.length :], (0, 0, 0, missing)) for t in (k, v)))

    def _level(
        self, smooth: list[Float[Tensor, "B n c k"]], detail: list[Float[Tensor, "B n c k"]]
    ) -> tuple[Float[Tensor, "B n c k"], Float[Tensor, "B n c k"]]:
        fourier = _lowest_modes(detail[0], self.n_modes)
        of_detail, of_smooth = (self._attend(fourier, signals) for signals in (detail, smooth))
        return fourier.inverse(of_detail), fourier.inverse(of_detail + of_smooth)

    def _coarsest(self, smooth: list[Float[Tensor, "B n c k"]]) -> Float[Tensor, "B n c k"]:
        fourier = _lowest_modes(smooth[0], self.n_modes)
        return fourier.inverse(self._attend(fourier, smooth))

    def _attend(self, fourier: PartialFourier, signals: list[Float[Tensor, "B n c k"]]) -> Float[Tensor, "B 2 m c k"]:
        length = signals[0].shape[1]
        scale = score_scale(self.order, length, length) if self.scale_scores else 1.0
        return attend(*(fourier.transform(x) for x in signals), activation=self.activation, scale=scale)


def _finest(length: int, n_levels: int) -> int:
    """Return the most steps that are transformed: a length filled up to a power of two, halved if there is a level."""
    return 2 ** (length - 1).bit_length() // (2 if n_levels else 1)


def _lowest_modes(x: Float[Tensor, "B n c k"], n_modes: int) -> PartialFourier:
    """Return the transform to the modes from 0 on; a short signal has fewer."""
    length = x.shape[1]
    return PartialFourier(torch.arange(min(n_modes, length // 2 + 1), device=x.device), length, x.dtype)


def _energy(*parts: Float[Tensor, "B n c k"]) -> Float[Tensor, " B"]:
    return torch.stack([part.detach().float().square().sum((1, 2, 3)) for part in parts]).sum(0)


def _padded(x: Float[Tensor, "B L c k"]) -> Float[Tensor, "B n c k"]:
    """Fill up to a power of two with the head of the series."""
    length = x.shape[1]
    return torch.cat([x, x[:, : 2 ** (length - 1).bit_length() - length]], dim=1)
