"""An explanation in words."""

import math
from collections import Counter
from collections.abc import Iterator

import pandas as pd

from darts_tsformers.explain import findings, spectra
from darts_tsformers.explain.changes import Changes
from darts_tsformers.explain.exchange import PARTS
from darts_tsformers.explain.patterns import densest_span
from darts_tsformers.explain.prototypes import prototype_shares
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.routes import expert_shares, prompt_shares
from darts_tsformers.explain.stages import stage_shares
from darts_tsformers.explain.windows import duration, stamp

_N_NAMED = 5
_LEAST = 0.001  # a share below it is as good as none
_HARDLY = 0.01  # of what all variables together do


def summary(e: Recorded) -> str:
    """Say what the model looked at: the time span, the periods, the variables, and what is odd about its heads."""
    sentences = [
        _windows(e),
        *_span(e),
        *_periods(e),
        *_lengths(e),
        *_memories(e),
        *_responses(e),
        *_variables(e),
        *_gates(e),
        *_routes(e),
        *_prototypes(e),
        *_prompt(e),
        *_paths(e),
        *_masks(e),
        *_stages(e),
        *_prompts(e),
        *_rows(e),
        *_health(e),
    ]
    return "\n".join([sentences[0], *(f"- {sentence}" for sentence in sentences[1:])])


def _windows(e: Recorded) -> str:
    n_series = len({origin.series for origin in e.origins})
    windows = f"{_count(len(e.origins), 'window')} of {n_series} series"
    layers = ", ".join(f"{kind} of {_count(len(parts), 'layer')}" for kind, parts in e.parts.items())
    inexact = [path for path, weights in e.maps.items() if not weights.attrs["exact"]]
    note = f"; reconstructed, not exact: {', '.join(inexact)}" if inexact else ""
    return f"{e.model}, {windows}: {layers}{note}."


def _span(e: Recorded) -> Iterator[str]:
    profile = findings.time_profile(e)
    if profile is None or len(profile) < 3:
        return
    half = densest_span(profile.to_numpy())
    length = half.stop - half.start
    share = length / len(profile)
    steps = profile.index[half]
    if share > findings.EVEN_ABOVE:
        yield f"Attention is spread over the look-back: the densest half of it needs {share:.0%} of the steps."
        return
    when = f"steps {steps[0]} to {steps[-1]}, 0 being the last one seen" if length > 1 else f"step {steps[0]}"
    long = duration(length, e.freq)
    stamps = ""
    if len(e.origins) == 1:
        first, last = e.origins[0].times([steps[0], steps[-1]])
        stamps = f" ({stamp(first)} to {stamp(last)})" if length > 1 else f" ({stamp(first)})"
    yield f"Half of the attention falls on {long}, {share:.0%} of the look-back: {when}{stamps}."


def _periods(e: Recorded) -> Iterator[str]:
    found, bands = findings.periods(e), spectra.period_bands(e).sort_values("share", ascending=False)
    for kind, what in (("delays", "delay"), ("modes", "mode")):
        for path in e.parts.get(kind, {}):
            own = found[(found["layer"] == path) & (found["head"] == 0)].head(3)
            named = ", ".join(
                f"{duration(p, e.freq)} ({_percent(s)})" for p, s in zip(own["period"], own["strength"], strict=True)
            )
            if named:
                yield f"Periods by {what} weight in {path}: {named}{_strongest_band(bands, path)}."
    clear = found[(found["head"] > 0) & (found["strength"] > findings.CLEAR_PERIOD)]
    if len(clear):
        best = clear.groupby("period")["strength"].agg(["sum", "max", "size"]).sort_values("sum", ascending=False)
        period, row = best.index[0], best.iloc[0]
        at = clear[clear["period"] == period].iloc[0]
        yield (
            f"Attention comes back with a period of {duration(period, e.freq)}: seen by "
            f"{_count(int(row['size']), 'head')}, and in {at['layer']}, head {at['head']}, it explains "
            f"{row['max']:.0%} of how attention varies with the lag."
        )
    elif list(findings.maps_over_time(e)):
        yield "No period stands out in how attention varies with the lag."


def _strongest_band(bands: pd.DataFrame, path: str) -> str:
    own = bands[bands["layer"] == path]
    return f"; periods of {own['periods'].iloc[0]} carry {_percent(own['share'].iloc[0])}" if len(own) else ""


def _lengths(e: Recorded) -> Iterator[str]:
    for path, rows in spectra.shares_by_duration(e, "levels").groupby("layer", sort=False):
        yield f"Energy by length of the pieces that {path} is made of: {_named(rows)}."
    experts = spectra.shares_by_duration(e, "experts")
    if len(experts):
        mean = experts.groupby(["steps", "duration"], sort=False)["share"].mean().reset_index()
        n_layers = experts["layer"].nunique()
        yield f"Trends are mixed of moving averages over {_named(mean)}, a mean of {_count(n_layers, 'decomposition')}."
    for path, rows in spectra.mode_pairs(e).groupby("layer", sort=False):
        pairs = rows.head(3)
        named = ", ".join(
            f"{query} to {key} ({_percent(share)})"
            for query, key, share in zip(pairs["query_duration"], pairs["key_duration"], pairs["share"], strict=True)
        )
        yield f"Modes in {path} attend most from periods of {named}."


def _memories(e: Recorded) -> Iterator[str]:
    for path, share, steps in findings.held_shares(e).itertuples(index=False):
        long = duration(steps, e.freq)
        yield f"The memory of {path} still holds {_percent(share)} of what varied in what was written over {long}."


def _responses(e: Recorded) -> Iterator[str]:
    for path, half, most in findings.response_lengths(e).itertuples(index=False):
        yield (
            f"Half of what {path} answers to a pulse is over within {duration(half, e.freq)}, nine tenths within "
            f"{duration(most, e.freq)}."
        )


def _named(rows: pd.DataFrame) -> str:
    top = rows.sort_values("share", ascending=False, kind="stable").head(3)
    return ", ".join(f"{name} ({_percent(share)})" for name, share in zip(top["duration"], top["share"], strict=True))


def _variables(e: Recorded) -> Iterator[str]:
    importance = findings.variable_importance(e)
    for layer, rows in importance.groupby("layer", sort=False):
        top = rows.sort_values("share", ascending=False).head(_N_NAMED)
        named = ", ".join(
            f"{name} ({_percent(share)})" for name, share in zip(top["variable"], top["share"], strict=True)
        )
        alike = f"alike, each of {len(rows)} would have {_percent(1 / len(rows))}"
        yield f"Most important variables by {layer}: {named}; {alike}."
        by_kind = rows.groupby("kind", sort=False)["share"].sum()
        if len(by_kind) > 1:
            yield "By kind: " + ", ".join(f"{kind} {_percent(share)}" for kind, share in by_kind.items()) + "."


def _gates(e: Recorded) -> Iterator[str]:
    for path, part in e.parts.get("gates", {}).items():
        shares = part["weights"].mean([dim for dim in part["weights"].dims if dim != "time"]).to_numpy()
        most = int(shares.argmax())
        first, last = (int(part[name].to_numpy()[most]) for name in ("time", "time_last"))
        alike = f"alike, each of {len(shares)} would have {_percent(1 / len(shares))}"
        yield f"{path} lets in most at steps {first} to {last}: {_percent(float(shares[most]))}; {alike}."


def _routes(e: Recorded) -> Iterator[str]:
    for path, rows in expert_shares(e).groupby("layer", sort=False):
        top = rows.sort_values("share", ascending=False, kind="stable").head(3)
        named = ", ".join(f"{i} ({_percent(share)})" for i, share in zip(top["expert"], top["share"], strict=True))
        alike = f"alike, each of {len(rows)} would have {_percent(1 / len(rows))}"
        yield f"{path} sends most tokens to the experts {named}; {alike}."


def _prototypes(e: Recorded) -> Iterator[str]:
    for path, rows in prototype_shares(e).groupby("layer", sort=False):
        named = "; ".join(
            f"{name} ({_percent(share)})"
            for name, share in rows.head(3)[["prototype", "share"]].itertuples(index=False)
        )
        alike = f"alike, each of {len(rows)} would have {_percent(1 / len(rows))}"
        yield f"{path} attends most to {named}; {alike}."


def _prompt(e: Recorded) -> Iterator[str]:
    shares = {path: float(part["share"].mean()) for path, part in e.parts.get("prompt", {}).items()}
    if shares:
        least, most = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
        spread = f", from {_percent(shares[least])} in {least} to {_percent(shares[most])} in {most}"
        mean = _percent(sum(shares.values()) / len(shares))
        yield f"The prompt has {mean} of the attention{spread if len(shares) > 1 else ''}."


def _paths(e: Recorded) -> Iterator[str]:
    for path, part in e.parts.get("guidance", {}).items():
        pull = part["pull"].mean(["window", "component"]).to_numpy()
        if pull.sum() > 0:
            half = densest_span(pull / pull.sum())
            first, last = (int(part["time"].to_numpy()[at]) for at in (half.start, half.stop - 1))
            yield f"Half of what pulled the paths of {path} was at steps {first} to {last}, 0 being the last one seen."
    for path, part in e.parts.get("spread", {}).items():
        spread = part["deviation"].mean(["window", "component"]).to_numpy()
        yield (
            f"The paths of {path} spread by {spread[0]:.2g} at the first step of the forecast and by "
            f"{spread[-1]:.2g} at the last, in the units that the network sees."
        )


def _masks(e: Recorded) -> Iterator[str]:
    for path, part in e.parts.get("mask", {}).items():
        kept = part["kept"].mean(["window", "component"]).to_numpy()
        steps = part["time"].to_numpy()
        yield (
            f"The views of {path} keep {_percent(float(kept.mean()))} of the values: {_percent(float(kept.max()))} at "
            f"step {steps[kept.argmax()]}, {_percent(float(kept.min()))} at step {steps[kept.argmin()]}, 0 being the "
            "last one seen."
        )


def _stages(e: Recorded) -> Iterator[str]:
    shares = stage_shares(e)
    if len(shares) > 1:
        named = ", ".join(f"{name} {_percent(share)}" for name, share in shares.items())
        yield f"Of what the stages add to the level of what was read, the first one first: {named}."


def _prompts(e: Recorded) -> Iterator[str]:
    for part, rows in prompt_shares(e).groupby("part", sort=False):
        top = rows[rows["share"] > 0].sort_values("share", ascending=False, kind="stable").head(3)
        named = ", ".join(f"{i} ({_percent(share)})" for i, share in zip(top["prompt"], top["share"], strict=True))
        yield f"Of {len(rows)} prompts, most often before the {part}: {named}."


def _rows(e: Recorded) -> Iterator[str]:
    shares = findings.offset_shares(e)
    if len(shares):
        mean = shares.groupby(["layer", "head", "group"], sort=False)["share"].sum().groupby("group", sort=False).mean()
        yield "By distance: " + ", ".join(f"{group} {_percent(share)}" for group, share in mean.items()) + "."
    for path, part in e.parts.get("queries", {}).items():
        share = float(part["selected"].mean())
        if share < 1:
            yield f"{path}: {_percent(share)} of the queries attend, the others take an average."
    mixed = [path for path, weights in e.maps.items() if weights.attrs["mixed"]]
    if mixed:
        yield (
            f"{', '.join(mixed)}: heads and steps change places after attention (mix=True); maps and queries are as "
            "they were before, so what a row found is not put out at its own step."
        )


def _health(e: Recorded) -> Iterator[str]:
    if not e.maps:
        return
    figures = findings.model_health(e)
    for flag, words in (("collapsed", "look at a single key"), ("uniform", "look at all keys alike")):
        heads = figures[figures[flag]]
        if len(heads):
            named = [f"{layer} head {head}" for layer, head in zip(heads["layer"], heads["head"], strict=True)]
            more = f" and {len(named) - _N_NAMED} more" if len(named) > _N_NAMED else ""
            yield f"{len(named)} of {len(figures)} heads {words}: {', '.join(named[:_N_NAMED])}{more}."


def reliance_summary(r: Changes) -> str:
    """Say which variables the forecast of each component rests on, what errors grow by, and what is hardly used."""
    n_series = len(set(r.data["series"].to_numpy().tolist()))
    lines = [
        f"{r.model}, {_count(r.data.sizes['window'], 'window')} of {n_series} series: mean absolute change of the "
        "forecast when a variable is exchanged among them, and as a share of that when all are."
    ]
    components = r.data["component"].to_numpy().tolist()
    for component in components[:_N_NAMED]:
        top = r.ranking(component=component).dropna(subset="change").head(_N_NAMED)
        named = ", ".join(
            f"{name} {change:.3g}" + ("" if math.isnan(share) else f" ({_percent(share)})")
            for name, change, share in zip(_labels(r, top), top["change"], top["relative_change"], strict=True)
        )
        lines.append(f"{component} rests on {named or 'what cannot be told'}.{_growth(r, component)}")
    if len(components) > _N_NAMED:
        lines.append(f"And {_count(len(components) - _N_NAMED, 'more component')}.")
    return "\n".join([lines[0], *(f"- {line}" for line in [*lines[1:], *_horizon(r), *_hardly_used(r), *_untold(r)])])


def _growth(r: Changes, component: str) -> str:
    error = float(r.data["base_error"].sel(component=component))
    if math.isnan(error):
        return ""
    ranking = r.ranking(component=component).sort_values("error_growth", ascending=False, kind="stable")
    top = ranking[ranking["error_growth"] > 0].head(_N_NAMED)
    named = ", ".join(
        f"{name} {growth:+.3g}" for name, growth in zip(_labels(r, top), top["error_growth"], strict=True)
    )
    return f" Its mean absolute error, {error:.3g}, grows {f'by {named}' if named else 'with none of them'}."


def _horizon(r: Changes) -> Iterator[str]:
    past, horizon = (r.ranking(part).dropna(subset="relative_change") for part in PARTS[1:])
    both = horizon.head(_N_NAMED).merge(past, on=["kind", "variable"], suffixes=("", "_of_past"))
    named = ", ".join(
        f"{name} {_percent(before)} and {_percent(after)}"
        for name, before, after in zip(
            _labels(r, both), both["relative_change_of_past"], both["relative_change"], strict=True
        )
    )
    if named:
        yield f"By what is known of the past, and of the horizon: {named}."


def _hardly_used(r: Changes) -> Iterator[str]:
    ranking = r.ranking()
    unused = _labels(r, ranking[ranking["relative_change"] < _HARDLY])
    if unused:
        more = f" and {len(unused) - _N_NAMED} more" if len(unused) > _N_NAMED else ""
        yield f"Hardly used, below {_HARDLY:.0%}: {', '.join(unused[:_N_NAMED])}{more}."


def _untold(r: Changes) -> Iterator[str]:
    ranking = r.ranking()
    is_told = r.data["change"].sel(part=PARTS[0]).notnull().any("component").to_numpy()
    told = set(zip(r.data["kind"].to_numpy()[is_told], r.data["variable"].to_numpy()[is_told], strict=True))
    untold = [pair not in told for pair in zip(ranking["kind"], ranking["variable"], strict=True)]
    names = _labels(r, ranking[untold])
    if names:
        more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
        yield f"Alike in all windows, so that nothing can be told of it: {', '.join(names[:_N_NAMED])}{more}."


def _labels(r: Changes, rows: pd.DataFrame) -> list[str]:
    """Name the variables, with their kind where several have one name."""
    n_of_name = Counter(r.data["variable"].to_numpy().tolist())

    def label(name: str, kind: str) -> str:
        if kind == "target":
            return f"the past of {name}"
        return name if n_of_name[name] == 1 else f"the {kind} covariate {name}"

    return [label(*of) for of in zip(rows["variable"], rows["kind"], strict=True)]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _percent(share: float) -> str:
    if 0 < share < _LEAST:
        return f"<{_LEAST:.1%}"
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{100 * share:.2g}%"
