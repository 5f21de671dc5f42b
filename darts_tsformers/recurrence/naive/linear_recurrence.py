"""The linear recurrence as a loop."""

import torch
from jaxtyping import Float
from torch import Tensor


def linear_recurrence(
    a: Float[Tensor, "T *F"], b: Float[Tensor, "T *F"], initial: Float[Tensor, "*F"]
) -> Float[Tensor, "T *F"]:
    """Return the state after each step."""
    states, state = [], initial
    for t in range(b.shape[0]):
        state = a[t] * state + b[t]
        states.append(state)
    return torch.stack(states)
