"""What an explanation says: figures taken from its maps."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from darts_tsformers.explain import patterns
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.spectra import period_weights

COLLAPSED_ABOVE = 0.5
UNIFORM_ABOVE = 0.98
CLEAR_PERIOD = 0.5
EVEN_ABOVE = 0.4  # of the look-back, needed for half of the attention


def is_over_time(part: xr.Dataset | xr.DataArray, dim: str) -> bool:
    """Whether the tokens of an axis stand for spans of time."""
    return f"{dim}_last" in part.coords


def middles(part: xr.Dataset | xr.DataArray, dim: str) -> np.ndarray:
    """Return the middle of each token, in steps from the last one seen.

    A first or last token that the end of the look-back cuts short has the middle that it would have had uncut, so that
    lags between tokens stay multiples of their distance.
    """
    first, last = part[dim].to_numpy(), part[f"{dim}_last"].to_numpy()
    found = (first + last) / 2
    n, lengths = len(found), last - first
    if n >= 4 and len(set(np.diff(found[1:-1]))) == 1 and len(set(lengths[1:-1])) == 1:
        step = found[2] - found[1]
        if lengths[0] < lengths[1]:
            found[0] = found[1] - step
        if lengths[-1] < lengths[1]:
            found[-1] = found[-2] + step
    return np.asarray(found)


def time_profile(e: Recorded, path: str | None = None) -> pd.Series | None:
    """Return the share of attention that each step of the look-back gets; None if no token stands for time.

    The attention to a token is spread evenly over the steps it stands for, and what a step gets is set off against what
    it would get if all tokens were attended to alike: some steps are in more tokens than others, and in causal layers
    early ones are seen by more rows. Where layers attend from the horizon to the look-back those rows alone count, as
    they make the forecast; else all rows of all layers.
    Layers and heads count alike. The shares sum to 1.
    """
    maps = {p: m for p, m in e.maps.items() if is_over_time(m, "key") and path in (None, p)}
    looking_back = {p: m for p, m in maps.items() if looks_back(m)}
    forecasting = {p: m for p, m in maps.items() if _of_the_horizon(m).any()}
    deciding = {p: _deciding_rows(m) for p, m in (looking_back or forecasting or maps).items()}
    if not deciding:
        return None
    first = min(int(maps[p]["key"].min()) for p in deciding)
    total, alike = np.zeros(1 - first), np.zeros(1 - first)
    for p, rows in deciding.items():
        per_key = e.mean_maps[p][:, rows].mean(axis=(0, 1))
        seen = np.ones((len(rows), len(per_key)), dtype=bool) if p in e.groups else visible_keys(e, p)
        even = (seen / seen.sum(-1, keepdims=True))[rows].mean(axis=0)
        spans = zip(maps[p]["key"].to_numpy(), maps[p]["key_last"].to_numpy(), per_key, even, strict=True)
        for start, end, share, even_share in spans:
            if end <= 0:
                covered = slice(start - first, end - first + 1)
                total[covered] += share / (end - start + 1)
                alike[covered] += even_share / (end - start + 1)
    density = np.divide(total, alike, out=np.zeros_like(total), where=alike > 0)
    whole = density.sum()
    return pd.Series(density / whole, index=pd.Index(range(first, 1), name="step"), name="share") if whole > 0 else None


def looks_back(weights: xr.DataArray) -> bool:
    """Whether a layer attends from the horizon, and to the look-back alone."""
    return bool(_of_the_horizon(weights).any() and (weights["key_last"] <= 0).all())


def _of_the_horizon(weights: xr.DataArray) -> np.ndarray:
    if not is_over_time(weights, "query"):
        return np.zeros(weights.sizes["query"], dtype=bool)
    return np.asarray(weights["query_last"].to_numpy() > 0)


def _deciding_rows(weights: xr.DataArray) -> np.ndarray:
    """Say which rows make the forecast: those of the horizon, in a layer that has any; all in others."""
    rows = _of_the_horizon(weights)
    return rows if rows.any() else ~rows


def lag_profile(e: Recorded, path: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lags and attention by lag of a map over time, from the rows that make the forecast if it looks back."""
    weights = e.maps[path]
    rows = _deciding_rows(weights) if looks_back(weights) else np.ones(weights.sizes["query"], dtype=bool)
    at = middles(weights, "query")[rows], middles(weights, "key")
    return patterns.lag_profile(values[..., rows, :], *at, visible_keys(e, path)[rows])


def visible_keys(e: Recorded, path: str) -> np.ndarray:
    """Say which keys each row of a layer can see, ``(L, M)``: no later ones if it is causal, none off a pattern."""
    weights, by_head = e.maps[path], e.mean_maps[path]
    if path in e.groups:
        return np.asarray((by_head > 0).any(axis=0))
    seen = np.ones(by_head.shape[-2:], dtype=bool)
    if is_over_time(weights, "query") and is_over_time(weights, "key"):
        queries, keys = middles(weights, "query"), middles(weights, "key")
        if patterns.is_causal(by_head, queries, keys):
            seen = keys <= queries[:, None]
    return seen


def variable_importance(e: Recorded) -> pd.DataFrame:
    """Return the importance of each variable: columns ``layer``, ``kind``, ``variable`` and ``share``.

    As learned, where the model weighs its variables; else the attention that the targets pay to each variable, a mean
    over layers, heads and windows. Shares of one layer sum to 1. Empty if no token stands for a variable.

    Learned weights say what was let through, not what it changed: what stands behind the selection can pass over a
    variable of much weight. They also differ from one training to the next where variables stand in for each other.
    What a forecast rests on is measured by :func:`~darts_tsformers.explain.reliance`.
    """
    found = []
    for path, part in e.parts.get("variables", {}).items():
        others = [dim for dim in part["weights"].dims if dim != "variable"]
        found.append(_shares(path, part, "variable", part["weights"].mean(others).to_numpy()))
    if not found:
        over = [(p, m) for p, m in e.maps.items() if not is_over_time(m, "key") and "key_kind" in m.coords]
        rows = [e.mean_maps[p][:, m["query_kind"].to_numpy() == "target"].mean(axis=(0, 1)) for p, m in over]
        if over:
            found.append(_shares("attention of the targets", over[0][1], "key", np.mean(rows, axis=0)))
    columns = ["layer", "kind", "variable", "share"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def _shares(name: str, part: xr.Dataset | xr.DataArray, dim: str, weights: np.ndarray) -> pd.DataFrame:
    kinds, names = part[f"{dim}_kind"].to_numpy(), part[dim].to_numpy()
    return pd.DataFrame({"layer": name, "kind": kinds, "variable": names, "share": weights / weights.sum()})


def periods(e: Recorded) -> pd.DataFrame:
    """Return the periods found: columns ``layer``, ``head``, ``period`` in steps and ``strength``, strongest first.

    Of delays and modes the strength is their share of the weight; of an attention map it is how much of the variation
    of attention over lags the period explains, see :func:`~darts_tsformers.explain.patterns.find_period`.
    """
    found = []
    for kind in ("delays", "modes"):
        for path, part in e.parts.get(kind, {}).items():
            spectrum = period_weights(part)
            found += [(path, 0, period, share) for period, share in spectrum.items() if share > 0]
    for path, _, by_head in maps_over_time(e):
        for head, one in enumerate(by_head, start=1):
            period = patterns.find_period(*lag_profile(e, path, one))
            if period is not None:
                found.append((path, head, period.steps, period.strength))
    frame = pd.DataFrame(found, columns=["layer", "head", "period", "strength"])
    return frame.sort_values("strength", ascending=False, ignore_index=True, kind="stable")


def held_shares(e: Recorded) -> pd.DataFrame:
    """Return how much memories still hold of what was written to them: columns ``layer``, ``share`` and ``steps``.

    The share is that of the variation over the steps of the memory, all windows together. A layer whose memories were
    written nothing that varies has none.
    """
    found = []
    for path, part in e.parts.get("memory", {}).items():
        written = part["written"]
        varied = float(((written - written.mean("time")) ** 2).sum())
        if varied > 0:
            missed = float(((written - part["held"]) ** 2).sum())
            steps = int(part["time_last"][-1] - part["time"][0]) + 1
            found.append((path, max(0.0, 1 - missed / varied), steps))
    return pd.DataFrame(found, columns=["layer", "share", "steps"])


def response_lengths(e: Recorded) -> pd.DataFrame:
    """Return how long layers answer to a pulse: columns ``layer``, and ``half`` and ``most`` in steps.

    Within these, the step of the pulse included, fall half and nine tenths of the energy of the impulse responses, a
    mean over models of the same weight each. A layer that answers nothing has none.
    """
    found = []
    for path, part in e.parts.get("responses", {}).items():
        energy = part["response"].isel(window=0).to_numpy().astype(float) ** 2
        total = energy.sum(axis=1, keepdims=True)
        answering = (total > 0).ravel()
        if answering.any():
            done = (energy[answering] / total[answering]).cumsum(axis=1).mean(axis=0)
            found.append((path, *(int(np.searchsorted(done, share)) + 1 for share in (0.5, 0.9))))
    return pd.DataFrame(found, columns=["layer", "half", "most"])


def maps_over_time(e: Recorded) -> Iterator[tuple[str, xr.DataArray, np.ndarray]]:
    """Give the path, the map and its mean over windows of each layer whose queries and keys stand for time."""
    for path, weights in e.maps.items():
        if is_over_time(weights, "query") and is_over_time(weights, "key"):
            yield path, weights, e.mean_maps[path]


def offset_shares(e: Recorded) -> pd.DataFrame:
    """Return how much attention goes to each group of distances, where a mechanism is made of such.

    Columns ``layer``, ``head``, ``group`` and ``share``; the group ``"others"`` has the distances that only rows which
    see all of their past look at.
    """
    found = []
    for path, weights, by_head in maps_over_time(e):
        groups = e.groups.get(path)
        if groups is None:
            continue
        length = weights.sizes["key"]
        rows = np.arange(length)[-weights.sizes["query"] :]  # rows fewer than keys are the last ones
        distances = np.abs(rows[:, None] - np.arange(length))
        names = np.full(length, len(groups))
        for i, members in enumerate(groups.values()):
            names[members] = i
        for head, one in enumerate(by_head, start=1):
            mass = np.bincount(names[distances].ravel(), weights=one.ravel(), minlength=len(groups) + 1) / one.sum()
            found += [(path, head, group, share) for group, share in zip([*groups, "others"], mass, strict=True)]
    frame = pd.DataFrame(found, columns=["layer", "head", "group", "share"])
    return frame[(frame["group"] != "others") | (frame["share"] > 0)].reset_index(drop=True)


def model_health(e: Recorded) -> pd.DataFrame:
    """Return figures of each head.

    Parameters
    ----------
    e
        What was recorded; without attention there are no rows.

    Returns
    -------
    Columns: ``layer``, ``head``; ``entropy``, the mean over rows and windows of each row's entropy over the largest it
    could have; ``top_share``, what the most attended key gets of all attention; ``causal``, and ``local_window``, the
    steps within which 90 % of attention falls, for maps over time; ``collapsed``, a single key gets more than half of
    it (of at least three); ``uniform``, the rows look at all they can see alike.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.explain import explain, model_health
    >>> series = TimeSeries.from_values(np.sin(np.arange(90) / 2).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = PatchTSTModel(24, 6, patch_length=6, stride=6, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> health = model_health(explain(model.fit(series, verbose=False)))
    >>> len(health)  # 3 layers of 4 heads
    12
    >>> bool(health["collapsed"].any())
    False
    """
    rows = []
    for path, weights in e.maps.items():
        by_head = e.mean_maps[path]
        entropies = _entropies(weights, visible_keys(e, path))
        over_time = is_over_time(weights, "query") and is_over_time(weights, "key")
        at = (middles(weights, "query"), middles(weights, "key")) if over_time else None
        for head, one in enumerate(by_head):
            top = float(patterns.top_share(one))
            row: dict[str, object] = {"layer": path, "head": head + 1, "entropy": entropies[head], "top_share": top}
            row["causal"] = patterns.is_causal(one, *at) if at else None
            row["local_window"] = float(patterns.local_window(one, *at)) if at else None
            row["collapsed"] = top > COLLAPSED_ABOVE and weights.sizes["key"] > 2
            row["uniform"] = bool(entropies[head] > UNIFORM_ABOVE)
            rows.append(row)
    return pd.DataFrame(rows)


def _entropies(weights: xr.DataArray, visible: np.ndarray) -> np.ndarray:
    """Average over windows, components and the rows that have a choice, one window at a time."""
    n_heads, rows = weights.sizes["head"], visible.sum(-1) > 1
    if not rows.any():
        return np.full(n_heads, np.nan)
    total = np.zeros(n_heads)
    for window in range(weights.sizes["window"]):
        entropy = patterns.relative_entropy(weights[window].to_numpy()[..., rows, :], visible[rows])
        total += entropy.reshape(-1, n_heads, entropy.shape[-1]).mean(axis=(0, 2))
    return np.asarray(total / weights.sizes["window"])
