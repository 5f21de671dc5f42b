"""Moirai-MoE token by token: packing, scales, and what it learns, each written out by loops."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from darts_tsformers.layers.transformer.variate_attention import Places
from darts_tsformers.networks import MoiraiMoE
from darts_tsformers.window import Window


class Token(NamedTuple):
    values: Tensor
    observed: list[bool]
    time: int
    variate: int
    there: bool
    predicted: bool


def tokens_of(model: MoiraiMoE, window: Window, b: int, ahead: Tensor, known: int) -> dict[tuple[int, int], Token]:
    """Return the tokens of one window by variate and patch; ``ahead`` ``(T, C)`` is what stands for the horizon."""
    p, length, sizes = model.patch_length, model.sizes.input_length, model.sizes
    n_read, n_ahead = math.ceil(length / p), math.ceil((sizes.output_shift + sizes.output_length) / p)
    fill, start = n_read * p - length, 0 if window.start is None else int(window.start[b])

    def step(table: Tensor, t: int, v: int, first: int = 0) -> float:
        return table[t, v].item() if first <= t < len(table) else 0.0

    def is_observed(t: int, c: int) -> bool:
        return start <= t and (window.missing is None or not bool(window.missing[b, t, c]))

    n_targets, made = window.target.shape[-1], {}
    times, n = [], -1
    for k in range(n_read):
        seen = [is_observed(t, c) for t in range(k * p - fill, (k + 1) * p - fill) if t >= 0 for c in range(n_targets)]
        n += any(seen)
        times.append(max(n, 0))
    times += [times[-1] + 1 + k for k in range(n_ahead)]
    covariates = [("future", v) for v in range(sizes.n_future)] + [("past", v) for v in range(sizes.n_past)]
    for variate, (kind, v) in enumerate([("target", c) for c in range(n_targets)] + covariates):
        for k in range(n_read if kind == "past" else n_read + n_ahead):
            steps = range(k * p - fill, (k + 1) * p - fill)
            reads = k < n_read
            if kind == "target":
                values = [step(window.target[b], t, v, start) if reads else step(ahead, t - length, v) for t in steps]
                observed = [t >= 0 and is_observed(t, v) if reads else True for t in steps]
            elif reads:
                table = window.past if kind == "past" else window.historic_future
                values = [step(table[b], t, v, start) for t in steps]
                observed = [t >= start for t in steps]
            else:
                shift = sizes.output_shift
                places = [t - length - shift for t in steps]
                values = [
                    window.historic_future[b, -1, v].item() if i < 0 else step(window.future[b], i, v) for i in places
                ]
                observed = [0 <= i < sizes.output_length for i in places]
            there = not reads or any(t >= start for t in steps if t >= 0)
            predicted = kind == "target" and k >= known
            made[variate, k] = Token(
                torch.tensor(values, dtype=torch.float64), observed, times[k], variate, there, predicted
            )
    return made


def scale_of(tokens: dict[tuple[int, int], Token], token: Token) -> tuple[float, float]:
    """Return mean and unbiased deviation of what was observed of the variate of a token."""
    if not token.there:
        return 0.0, 1.0
    seen = [
        value
        for one in tokens.values()
        if one.variate == token.variate and one.there and not one.predicted
        for value, observed in zip(one.values.tolist(), one.observed, strict=True)
        if observed
    ]
    mean = sum(seen) / max(len(seen), 1)
    variance = sum((value - mean) ** 2 for value in seen) / (len(seen) - 1 if len(seen) > 1 else 1)
    return mean, math.sqrt(variance + 1e-5)


def mixtures(model: MoiraiMoE, window: Window, b: int, tokens: dict[tuple[int, int], Token]):
    """Return the mixture behind each token, and its level and spread, of all tokens read at once in any order."""
    keys = sorted(tokens, key=lambda key: (key[1], -key[0]))
    ordered = [tokens[key] for key in keys]
    scales = [scale_of(tokens, token) for token in ordered]
    patches = torch.stack([(t.values - level) / spread for t, (level, spread) in zip(ordered, scales, strict=True)])
    places = Places(
        torch.tensor([[token.time for token in ordered]]),
        torch.tensor([token.variate for token in ordered]),
        torch.tensor([[token.there for token in ordered]]),
    )
    added = None
    if model.static is not None:
        nothing = torch.zeros(model.static.out_features).double()
        added = torch.stack(
            [
                model.static(window.static[b, t.variate]) if t.variate < window.target.shape[-1] else nothing
                for t in ordered
            ]
        )[None]
    found = model.decoder(patches[None], places, model.size, added)
    return {
        key: (type(found)(*(part[0, i] for part in found)), *scales[i]) for i, key in enumerate(keys)
    }  # fmt: skip


def path(model: MoiraiMoE, window: Window, b: int, choose) -> Tensor:
    """Draw patch by patch; ``choose`` is given the mixtures of all targets, ``(C, p)``, of each patch."""
    n_targets, p = window.target.shape[-1], model.patch_length
    ahead = torch.zeros(model.n_ahead * p, n_targets).double()
    for k in range(model.n_ahead):
        tokens = tokens_of(model, window, b, ahead, known=model.n_read + k)
        found = mixtures(model, window, b, tokens)
        last = [found[c, model.n_read + k - 1] for c in range(n_targets)]
        joint = type(last[0][0])(*(torch.stack(parts)[None] for parts in zip(*(one[0] for one in last), strict=True)))
        drawn = choose(joint)[0]
        for c in range(n_targets):
            ahead[k * p : (k + 1) * p, c] = drawn[c] * last[c][2] + last[c][1]
    shift = model.sizes.output_shift
    return ahead[shift : shift + model.sizes.output_length]


def costs(model: MoiraiMoE, window: Window, b: int, known: int) -> dict[tuple[int, int], Tensor]:
    """Return minus the log-likelihood of each value to learn, by step of look-back and horizon and component."""
    length, shift, p = model.sizes.input_length, model.sizes.output_shift, model.patch_length
    gap = window.target[b, -1:].expand(shift, -1)
    ahead = torch.cat([gap, window.future_target[b]])
    tokens = tokens_of(model, window, b, ahead, known)
    found, learnt = mixtures(model, window, b, tokens), {}
    fill = model.n_read * p - length
    for (variate, k), token in tokens.items():
        if variate >= window.target.shape[-1] or k < known or not tokens[variate, k - 1].there:
            continue
        mixture, level, spread = found[variate, k - 1]
        each = math.log(scale_of(tokens, token)[1]) - mixture.log_prob((token.values - level) / spread)
        for i in range(p):
            t = k * p - fill + i
            if 0 <= t < length or length + shift <= t < length + shift + model.sizes.output_length:
                learnt[t if t < length else t - shift, variate] = each[i]
    return learnt
