"""Ways in for covariates that a paper's architecture has no place for.

Each starts at zero, so that an untrained network with covariates is the published one without.
"""

from collections.abc import Collection
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.window import Sizes, Window

ALL_KINDS = frozenset({"past", "future", "static"})
"""The kinds of covariates."""


def zero_linear(n_in: int, n_out: int, *, bias: bool = False) -> nn.Linear:
    """Build a linear map that starts as the zero map."""
    layer = nn.Linear(n_in, n_out, bias=bias)
    nn.init.zeros_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class FutureResponse(nn.Module):
    r"""Let each step of the forecast respond to the covariates known for that step.

    .. math:: y_{t,c} = \left[f_t ; \mathrm{GELU}(W f_t)\right]^\top A(z_c)

    ``f_t`` are the future covariates of step ``t``, ``z_c`` the encoder's state of component ``c``. The response ``A``
    is a linear map of that state, zero at the start: each component answers in its own way although no parameter
    belongs to a component, so the number of components stays free. O(B H C Q) memory.
    """

    def __init__(self, d_model: int, n_future: int, n_parameters: int) -> None:
        super().__init__()
        self.n_parameters = n_parameters
        self.features = nn.Sequential(nn.Linear(n_future, d_model), nn.GELU())
        self.response = zero_linear(d_model, (n_future + d_model) * n_parameters, bias=True)

    def forward(self, future: Float[Tensor, "B H F"], state: Float[Tensor, "B C D"]) -> Float[Tensor, "B C H Q"]:
        """Return what the known future adds to each component's forecast."""
        features = torch.cat([future, self.features(future)], dim=-1)
        response = self.response(state).unflatten(-1, (features.shape[-1], self.n_parameters))
        return torch.einsum("bhf,bcfq->bchq", features, response)


class CovariateHead(nn.Module):
    r"""What the covariates add to a forecast, for an architecture that has no place for them.

    A state of each component is drawn from what is known of the past (level and last value of past and historic future
    covariates) and from its static covariates; to it each step of the forecast responds with the future covariates of
    that step, and with a constant, as in :class:`FutureResponse`. The response is zero at the start.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    kinds
        The kinds of covariates to take, of those that are in use.
    d_state
        Width of the state.
    """

    def __init__(self, sizes: Sizes, kinds: Collection[str], d_state: int = 16) -> None:
        super().__init__()
        self.sizes = replace(
            sizes,
            n_past=sizes.n_past if "past" in kinds else 0,
            n_future=sizes.n_future if "future" in kinds else 0,
            n_static=sizes.n_static if "static" in kinds else 0,
        )
        n_known = self.sizes.n_past + self.sizes.n_future
        self.known = nn.Linear(2 * n_known, d_state) if n_known else None
        self.static = nn.Linear(self.sizes.n_static, d_state) if self.sizes.n_static else None
        self.response = FutureResponse(d_state, 1 + self.sizes.n_future, sizes.n_parameters)

    @property
    def is_used(self) -> bool:
        """Whether any covariate acts here."""
        return self.known is not None or self.static is not None

    def forward(self, window: Window, mean: Float[Tensor, "B K"] | None = None) -> Float[Tensor, "B H C Q"]:
        """Return what to add to the raw output; ``mean`` is the level of what is known, where the window is a part."""
        batch, _, n_targets = window.target.shape
        state = window.target.new_zeros(batch, n_targets, self.response.response.in_features)
        if self.known is not None:
            known = self.known_covariates(window)
            mean = mean_from(known, window.start) if mean is None else mean
            state = state + self.known(torch.cat([mean, known[:, -1]], dim=-1)).unsqueeze(1)
        if self.static is not None and window.static is not None:
            state = state + self.static(window.static)
        steps = [window.target.new_ones(batch, self.sizes.output_length, 1)]
        if self.sizes.n_future and window.future is not None:
            steps.append(window.future)
        return self.response(torch.cat(steps, dim=-1), torch.nn.functional.gelu(state)).transpose(1, 2)

    def known_covariates(self, window: Window) -> Float[Tensor, "B L K"]:
        """Return what is known of the past: past covariates and future ones, side by side."""
        parts = [
            window.past if self.sizes.n_past else None,
            window.historic_future if self.sizes.n_future else None,
        ]
        return torch.cat([window.target[..., :0], *(x for x in parts if x is not None)], dim=-1)


def mean_from(x: Float[Tensor, "B L K"], start: Int[Tensor, " B"] | None) -> Float[Tensor, "B K"]:
    """Return the mean over the rows of each history."""
    if start is None:
        return x.mean(dim=1)
    rows = (torch.arange(x.shape[1], device=x.device) >= start[:, None]).to(x.dtype)[..., None]
    return (x * rows).sum(dim=1) / rows.sum(dim=1)
