"""Recurrent cells of one head and one sample, number by number."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def headwise_recurrence(
    inputs: Float[Tensor, "T G D"], weight: Float[Tensor, "D K D"], bias: Float[Tensor, "A D"], *, cell: str
) -> Float[Tensor, "T D"]:
    """Return the outputs of one head for one sample."""
    y = c = n = torch.zeros_like(inputs[0, 0])
    m = torch.full_like(y, -math.inf)
    outputs = []
    for x in inputs:
        back = [y @ weight[:, gate] for gate in range(weight.shape[1])]
        if cell == "elman":
            y = torch.tanh(x[0] + back[0] + bias[0])
        elif cell == "gru":
            carried, reset, keep = (r + b for r, b in zip(back, bias[:3], strict=True))
            reset, keep = torch.sigmoid(reset + x[0]), torch.sigmoid(keep + x[1])
            y = keep * y + (1 - keep) * torch.tanh(x[2] + bias[3] + reset * carried)
        else:
            enter, forget, new, out = (a + r + b for a, r, b in zip(x, back, bias, strict=True))
            if cell == "lstm":
                c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
                y = torch.sigmoid(out) * torch.tanh(c)
            else:
                forget = torch.log(torch.sigmoid(forget))
                largest = torch.maximum(enter, forget + m)
                kept, taken = torch.exp(forget + m - largest), torch.exp(enter - largest)
                c, n, m = kept * c + taken * torch.tanh(new), torch.clamp(kept * n + taken, min=1), largest
                y = torch.sigmoid(out) * c / n
        outputs.append(y)
    return torch.stack(outputs)
