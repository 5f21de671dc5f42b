"""AutoTimes by definition: a window of one component at a time, segment by segment, each prefix read by itself."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from darts_tsformers.networks import AutoTimes
from darts_tsformers.window import Window


def forecast_segments(
    model: AutoTimes, series: list[float], first: int, end: int, known: Callable[[int], Tensor] | None
) -> list[Tensor]:
    """Forecast the next segment from each one that ends at step ``end`` or before, as far as a pass looks back.

    The history begins at step ``first``; ``known`` gives the covariates of a step. Each forecast is ``(p, Q)``.
    """
    p, sizes = model.patch_length, model.sizes
    width = -(-sizes.input_length // p) * p
    seen = series[max(first, end - width) : end]
    mean = sum(seen) / len(seen)
    spread = math.sqrt(sum((value - mean) ** 2 for value in seen) / len(seen) + float(model.norm.epsilon))
    tokens, forecasts = [], []
    for start in range(end - width, end, p):
        if start + p <= first:
            continue
        values = [(series[t] - mean) / spread if t >= first else 0.0 for t in range(start, start + p)]
        tokens.append(with_marks(model, mapped(model.encoder, torch.tensor(values, dtype=torch.float64)), start, known))
        read = torch.stack(tokens)[None]
        state = read[0, -1] if model.language is None else model.language(read)[0, -1]
        raw = mapped(model.decoder, state).view(p, -1)
        levels = raw[:, : sizes.n_levels] * spread + mean
        forecasts.append(torch.cat([levels, raw[:, sizes.n_levels :]], dim=1))
    return forecasts


def mapped(maps: torch.nn.Sequential, x: Tensor) -> Tensor:
    """Apply linear maps, with the activation after all but the last."""
    linear = [layer for layer in maps if isinstance(layer, torch.nn.Linear)]
    for i, layer in enumerate(linear):
        x = layer.weight @ x + layer.bias
        if i + 1 < len(linear):
            x = maps[1](x)
    return x


def with_marks(model: AutoTimes, token: Tensor, start: int, known: Callable[[int], Tensor] | None) -> Tensor:
    """Tell a token what is known of the segment after it, or mix the vector of its own first step in."""
    p = model.patch_length
    if known is None:
        return token
    if model.marks is not None:
        return token + model.marks.weight @ torch.cat([known(t) for t in range(start + p, start + 2 * p)])
    mark = known(start)
    size = mark.norm()
    return token / token.norm() + (model.mark_scale * mark / size if size > 0 else 0)


def known_of(model: AutoTimes, window: Window, b: int) -> Callable[[int], Tensor] | None:
    """Return the covariates of each step of a sample, the first one looked back on being step 0."""
    if window.future is None:
        return None
    length, shift = model.sizes.input_length, model.sizes.output_shift

    def known(t: int) -> Tensor:
        ahead = t - length - shift
        if 0 <= t < length:
            return window.historic_future[b, t]
        return window.future[b, ahead] if 0 <= ahead < model.sizes.output_length else 0 * window.future[b, 0]

    return known


def rolled_out(model: AutoTimes, window: Window) -> Tensor:
    """Forecast component by component, and read all of it again for each segment."""
    sizes = model.sizes
    batch, length, n_targets = window.target.shape
    n = sizes.output_shift + sizes.output_length
    out = torch.empty(batch, n, n_targets, sizes.n_parameters, dtype=torch.float64)
    for b in range(batch):
        first = 0 if window.start is None else int(window.start[b])
        for c in range(n_targets):
            series = window.target[b, :, c].tolist()
            parts = []
            while len(series) < length + n:
                parts.append(forecast_segments(model, series, first, len(series), known_of(model, window, b))[-1])
                series += parts[-1][:, 0].tolist()
            out[b, :, c] = torch.cat(parts)[:n]
    return out[:, sizes.output_shift :]
