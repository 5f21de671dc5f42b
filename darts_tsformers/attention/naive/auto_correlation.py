"""What auto-correlation means, in the fewest operations that say it: no FFT, delay by delay. Used by tests only."""

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention.naive.ties import highest


def correlation(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"]) -> Float[Tensor, "B L"]:
    """At each delay, the queries that much later times the keys: summed over time, averaged over the rest."""
    return torch.stack([(q.roll(-tau, -2) * k).sum(-2).mean((1, 2)) for tau in range(q.shape[-2])], dim=-1)


def fit(x: Float[Tensor, "B h M w"], length: int, *, truncate: str) -> Float[Tensor, "B h L w"]:
    """Append rows of zeros, or leave rows out at one end."""
    rows = list(x.unbind(-2))
    kept = rows[-length:] if truncate == "last" else rows[:length]
    kept += [torch.zeros_like(rows[0])] * (length - len(kept))
    return torch.stack(kept, dim=-2)


def auto_correlation(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h M e"],
    v: Float[Tensor, "B h M f"],
    *,
    n: int,
    truncate: str = "last",
    shared_delays: bool = False,
    normalize: bool = False,
) -> tuple[Float[Tensor, "B h L f"], list[list[int]]]:
    """Autoformer: values as they are later by the n best delays, weighted by the correlation there."""
    length = q.shape[-2]
    keys, values = (fit(x, length, truncate=truncate) for x in (k, v))
    r = correlation(q, keys) / (length if normalize else 1)
    terms = q[0, :, 0].numel() * (length if normalize else 1)
    bounds = torch.stack([q[b].norm() * keys[b].norm() / terms for b in range(q.shape[0])])
    out = torch.zeros_like(values)
    chosen = []
    for b in range(q.shape[0]):
        rank = (r.mean(0) if shared_delays else r[b]).tolist()
        bound = (bounds.mean() if shared_delays else bounds[b]).item()
        best = sorted(highest(rank, n, bound), key=rank.__getitem__, reverse=True)
        for weight, tau in zip(r[b, best].softmax(-1), best, strict=True):
            out[b] += weight * values[b].roll(-tau, -2)
        chosen.append(best)
    return out, chosen
