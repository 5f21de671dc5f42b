"""Heads that set forecasts right by each other: across channels, and with sums over patches of the horizon."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.mixing.gate import build_gate


class CrossChannelHead(nn.Module):
    r"""Correct each step of a forecast by the forecasts of all channels around it.

    .. math::
        w_t &= \mathrm{vec}(x_{t-c}, \dots, x_{t+c}) \\
        y'_t &= y_t + W \left(w_t \odot \mathrm{softmax}(W_g w_t + b_g)\right) + b

    ``x`` are the forecasts of all channels and, beside them, what is known of the same steps; beyond the horizon it is
    zero. All steps share one map, which starts at zero.
    Each parameter of a likelihood has a map of its own and sees itself alone.

    Parameters
    ----------
    n_channels
        Channels that are forecast (``C``).
    context
        Steps seen on either side of a step (``c``).
    n_known
        Channels that are known ahead (``F``); they are seen, and not corrected.
    n_parameters
        Likelihood parameters of a step (``Q``).
    gated
        Whether the window is gated; one gate serves all parameters.

    Raises
    ------
    ValueError
        If ``context`` is below 0.

    Notes
    -----
    Ekambaram et al., "TSMixer: Lightweight MLP-Mixer Model for Multivariate Time Series Forecasting", KDD 2023 (online
    cross-channel reconciliation), in the form of the authors' later TinyTimeMixer. Deviation: the authors start with
    random weights.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.reconciliation import CrossChannelHead
    >>> head, forecast = CrossChannelHead(3, context=2), torch.randn(2, 7, 3, 1)
    >>> torch.equal(head(forecast), forecast)  # untrained
    True
    """

    def __init__(
        self, n_channels: int, context: int, *, n_known: int = 0, n_parameters: int = 1, gated: bool = True
    ) -> None:
        super().__init__()
        require_at_least(0, cross_channel_context=context)
        self.context = context
        n_seen = (n_channels + n_known) * (2 * context + 1)
        self.gate = build_gate(gated, n_seen)
        self.weight = nn.Parameter(torch.zeros(n_parameters, n_seen, n_channels))
        self.bias = nn.Parameter(torch.zeros(n_parameters, 1, n_channels))

    def forward(
        self, forecast: Float[Tensor, "B H C Q"], known: Float[Tensor, "B H F"] | None = None
    ) -> Float[Tensor, "B H C Q"]:
        """Return the corrected forecast."""
        seen = rearrange(forecast, "B H C Q -> B Q H C")
        if known is not None:
            beside = known.unsqueeze(1).expand(-1, seen.shape[1], -1, -1)
            seen = torch.cat([seen, beside], dim=-1)
        padded = F.pad(seen, (0, 0, self.context, self.context))
        windows = padded.unfold(2, 2 * self.context + 1, 1).flatten(-2)
        change = self.gate(windows) @ self.weight + self.bias
        return forecast + rearrange(change, "B Q H C -> B H C Q")


class HierarchyHead(nn.Module):
    r"""Correct a forecast by means over patches of the horizon that are forecast by themselves.

    .. math:: a_c = W_a\,\mathrm{vec}(Z_c) + b_a, \quad y'_{c,j} = y_{c,j} + W_m [y_{c,j}; a_{c,j}] + b_m

    ``Z_c`` are the tokens of a channel, ``y_{c,j}`` the steps of the ``j``-th patch of its forecast, with zeros for
    those after the horizon, and ``a_{c,j}`` is one more number: what it takes the patch to come to. Patches and
    channels share ``W_m``, which starts at zero.

    Parameters
    ----------
    n_features
        Numbers in the tokens of a channel (``N D``).
    output_length
        Steps of the forecast (``H``).
    patch_length
        Steps of a patch (``p``). A horizon that is shorter is one patch, cut short.
    n_parameters
        Likelihood parameters of a step (``Q``); each has means and a ``W_m`` of its own.

    Raises
    ------
    ValueError
        If ``patch_length`` is below 1.

    Notes
    -----
    Ekambaram et al., "TSMixer: Lightweight MLP-Mixer Model for Multivariate Time Series Forecasting", KDD 2023 (online
    hierarchical patch reconciliation). The authors' code is not public: the form is ours. A network decides whether
    it holds ``a`` to the means of the patches by its loss.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.reconciliation import HierarchyHead
    >>> head = HierarchyHead(n_features=10, output_length=7, patch_length=3)
    >>> corrected, means = head(torch.randn(2, 4, 7, 1), torch.randn(2, 4, 5, 2))
    >>> corrected.shape, means.shape
    (torch.Size([2, 4, 7, 1]), torch.Size([2, 4, 3, 1]))
    """

    def __init__(self, n_features: int, output_length: int, patch_length: int, *, n_parameters: int = 1) -> None:
        super().__init__()
        require_at_least(1, hierarchy=patch_length)
        self.patch_length = patch_length
        self.n_patches = -(-output_length // patch_length)
        self.aggregate = nn.Linear(n_features, self.n_patches * n_parameters)
        self.weight = nn.Parameter(torch.zeros(n_parameters, patch_length + 1, patch_length))
        self.bias = nn.Parameter(torch.zeros(n_parameters, 1, patch_length))

    def forward(
        self, forecast: Float[Tensor, "B C H Q"], tokens: Float[Tensor, "B C N D"]
    ) -> tuple[Float[Tensor, "B C H Q"], Float[Tensor, "B C J Q"]]:
        """Return the corrected forecast and the means of its patches."""
        length, n_parameters = forecast.shape[-2:]
        means: Tensor = self.aggregate(tokens.flatten(-2))
        means = rearrange(means, "B C (J Q) -> B C J Q", Q=n_parameters)
        padded = F.pad(forecast, (0, 0, 0, self.n_patches * self.patch_length - length))
        patches = rearrange(padded, "B C (J p) Q -> B C Q J p", p=self.patch_length)
        seen = torch.cat([patches, rearrange(means, "B C J Q -> B C Q J 1")], dim=-1)
        corrected = rearrange(patches + seen @ self.weight + self.bias, "B C Q J p -> B C (J p) Q")
        return corrected[:, :, :length], means
