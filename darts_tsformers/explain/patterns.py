"""What an attention map looks like, as figures: pure functions of arrays.

A map is ``(..., L, M)``: any number of leading axes (heads), queries, keys. Positions are in steps of time, one for
each query and each key; of a token that stands for a span they are its middle.
"""

from typing import NamedTuple

import numpy as np

_CYCLES = 2.5  # a period has to come back at least this often to be seen
_FLAT = 0.02  # of the mean: a standard deviation that is no variation to speak of
_CLEARLY = 3  # standard deviations above what noise would give
_AS_GOOD = 0.9  # of periods about as strong as the strongest, the shortest is reported


class Period(NamedTuple):
    """A period in steps, and the share of variation over the lags that it explains, at most 1."""

    steps: int
    strength: float


def is_causal(weights: np.ndarray, queries: np.ndarray, keys: np.ndarray, tolerance: float = 1e-6) -> bool:
    """Whether no query attends to a key after it."""
    return bool((weights * (keys > queries[:, None])).max(initial=0) <= tolerance)


def local_share(weights: np.ndarray, queries: np.ndarray, keys: np.ndarray, window: float) -> np.ndarray:
    """Return the share of attention on keys at most ``window`` steps away, for each map."""
    near = np.abs(queries[:, None] - keys) <= window
    return _share(weights * near, weights)


def local_window(weights: np.ndarray, queries: np.ndarray, keys: np.ndarray, share: float = 0.9) -> np.ndarray:
    """Return how many steps away the keys are that together get a share of attention, nearest first, for each map."""
    distances = np.abs(queries[:, None] - keys)
    order = np.argsort(distances, axis=None, kind="stable")
    sums = weights.reshape(*weights.shape[:-2], -1)[..., order].cumsum(-1, dtype=float)
    reached = (sums >= share * sums[..., -1:] * (1 - 1e-9)).argmax(-1)
    return distances.ravel()[order][reached]


def relative_entropy(weights: np.ndarray, visible: np.ndarray | None = None) -> np.ndarray:
    """Return the entropy of each row over its largest possible one: 0 looks at one key, 1 at all alike.

    ``visible`` says which keys a row can attend to, ``(L, M)``; a row with a single one has no entropy: NaN.
    """
    n_visible = np.full(weights.shape[-2], weights.shape[-1]) if visible is None else visible.sum(-1)
    share = weights / np.maximum(weights.sum(-1, keepdims=True), np.finfo(float).tiny)
    entropy = -(share * np.log(np.maximum(share, np.finfo(float).tiny))).sum(-1)
    largest = np.log(np.where(n_visible > 1, n_visible, np.nan))
    return np.asarray(entropy / largest)


def top_share(weights: np.ndarray) -> np.ndarray:
    """Return the share of all attention that falls on the most attended key, for each map."""
    per_key = weights.sum(-2)
    return np.asarray(per_key.max(-1) / per_key.sum(-1))


def lag_profile(
    weights: np.ndarray, queries: np.ndarray, keys: np.ndarray, visible: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lags in steps that occur, and for each how much more attention it gets than if all keys got the same.

    A row that can see ``n`` keys gives each of them ``1 / n`` if it looks at all alike; the figures are means of
    ``n * weight`` over all pairs at a lag. ``visible`` says which keys a row can see, ``(L, M)``; all by default. Lags
    are of both directions, 0 left out.
    """
    seen = np.ones(weights.shape[-2:], dtype=bool) if visible is None else visible
    lift = (weights.reshape(-1, *seen.shape).mean(axis=0) * seen.sum(-1, keepdims=True))[seen]
    lags = np.rint(np.abs(queries[:, None] - keys)).astype(int)[seen]
    n_pairs = np.bincount(lags)
    total = np.bincount(lags, weights=lift)
    kept = np.flatnonzero(n_pairs)
    kept = kept[kept > 0]
    return kept, total[kept] / n_pairs[kept]


def find_period(lags: np.ndarray, profile: np.ndarray) -> Period | None:
    """Return the period with which a profile over lags comes back; None if none does clearly, or lags are missing.

    The strength of a period is the share of the variance about a moving average over one period that the means over
    lags of one phase explain, less what they would explain of noise (an adjusted R squared). Only local maxima count,
    and of those about as strong as the strongest the shortest: a multiple of a period explains as much.
    """
    n = len(lags)
    if n < 2 * _CYCLES or len(set(np.diff(lags))) != 1 or profile.std() <= _FLAT * profile.mean():
        return None
    candidates = range(2, int(n / _CYCLES) + 1)
    strengths = np.array([_strength(profile, period) for period in candidates])
    if strengths.max() <= 0:
        return None
    padded = np.pad(strengths, 1, constant_values=-np.inf)
    peaks = np.flatnonzero((strengths >= padded[:-2]) & (strengths >= padded[2:]))
    best = peaks[strengths[peaks] >= _AS_GOOD * strengths[peaks].max()][0]
    if strengths[best] < _CLEARLY * _deviation_of_noise(n, candidates[best]):
        return None
    return Period(candidates[best] * int(lags[1] - lags[0]), float(strengths[best]))


def _strength(profile: np.ndarray, period: int) -> float:
    """Return the adjusted R squared of the means over phases."""
    width = period + 1 - period % 2
    one_cycle = np.full(width, 1.0)
    if period % 2 == 0:
        one_cycle[[0, -1]] = 0.5
    padded = np.pad(profile, width // 2, mode="edge")
    values = profile - np.convolve(padded, one_cycle / period, mode="valid")
    phase = np.arange(len(values)) % period
    n = np.bincount(phase)
    means = np.bincount(phase, weights=values) / n
    spread = np.square(values - values.mean()).sum()
    if spread <= (_FLAT * profile.mean()) ** 2 * len(values):
        return 0.0
    explained = float((n * np.square(means - values.mean())).sum() / spread)
    return 1 - (1 - explained) * (len(values) - 1) / (len(values) - period)


def _deviation_of_noise(n: int, period: int) -> float:
    """Return the standard deviation of the adjusted R squared of noise (R squared is beta distributed)."""
    a, b = (period - 1) / 2, (n - period) / 2
    return float(np.sqrt(a * b / (a + b + 1)) / (a + b) * (n - 1) / (n - period))


def densest_span(profile: np.ndarray, share: float = 0.5) -> slice:
    """Return the shortest stretch that holds a share of the whole; the latest if there are several."""
    sums = np.concatenate([[0.0], np.cumsum(profile)])
    starts = np.arange(len(profile))
    ends = np.searchsorted(sums, sums[:-1] + share * sums[-1] * (1 - 1e-9))
    lengths = np.where(ends < len(sums), ends - starts, len(sums))
    start = len(lengths) - 1 - int(lengths[::-1].argmin())
    return slice(start, int(ends[start]))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(part.sum((-2, -1)) / whole.sum((-2, -1)))
