"""Ways in for covariates that a paper's architecture has no place for.

Each starts at zero, so that an untrained network with covariates is the published one without.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


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
