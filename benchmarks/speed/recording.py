"""What recording costs when nothing is recorded, and when attention is.

A training step of Informer (batch 8, look-back 96, horizon 24, 7 components) as it is, and with the lines that record
taken out of the attention layers. The ways take turns within one process, in an order that changes from round to round;
the cost is the median over rounds of the ratio of processor times, with a 95 % interval by the bootstrap. Noise is the
same figure for the step against itself. Apart from that the calls made when nothing is recorded are timed alone and
counted: their share of a step is what they can cost at most.
"""

import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.core.goals import Figures, Goal
from benchmarks.core.speed import Step
from benchmarks.core.tables import table
from benchmarks.core.trial import Trials
from benchmarks.speed._steps import train
from darts_tsformers.layers.transformer import multi_head
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention, Scores
from darts_tsformers.networks import Forecaster, Informer
from darts_tsformers.recording import is_recording, recording
from darts_tsformers.window import Sizes, Window

SIZES = Sizes(input_length=96, output_length=24, n_targets=7)
BATCH = 8


def attended_without_recording(
    self: MultiHeadAttention, q: Tensor, k: Tensor, v: Tensor, earlier: Scores | None
) -> tuple[Tensor, Scores]:
    """``MultiHeadAttention._attended`` without the lines that record."""
    scores = Scores(q, k) if earlier is None else multi_head._side_by_side(earlier, Scores(q, k))
    too_wide = scores.q.shape[-1] / v.shape[-1]
    scaled = scores.q * too_wide**self.mechanism.width_power if earlier is not None else scores.q
    out, _ = self.mechanism(scaled, scores.k, v, causal=self.causal, need_weights=False)
    return self._merged(out), scores


@contextmanager
def no_recording() -> Iterator[None]:
    """Take the lines that record out of every attention layer."""
    original = MultiHeadAttention._attended
    MultiHeadAttention._attended = attended_without_recording  # type: ignore[method-assign]
    try:
        yield
    finally:
        MultiHeadAttention._attended = original  # type: ignore[method-assign]


def training_step() -> Step:
    torch.manual_seed(0)
    model = Forecaster(Informer(SIZES, d_model=64, n_heads=4))
    optimizer = torch.optim.Adam(model.parameters())
    window, truth = Window(torch.randn(BATCH, 96, 7)), torch.randn(BATCH, 24, 7, 1)

    return train(lambda: (model(window) - truth).square().mean(), optimizer)


def timed(step: Step) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def times_by_turns(n_rounds: int) -> dict[str, list[float]]:
    """Time the ways turn by turn, round by round."""
    step = training_step()

    def without() -> float:
        with no_recording():
            return timed(step)

    def recorded() -> float:
        with recording("attention"):
            return timed(step)

    ways = {"off": lambda: timed(step), "off again": lambda: timed(step), "without": without, "on": recorded}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(5):
        step()
    for _ in range(n_rounds):
        for name in random.sample(list(ways), len(ways)):
            times[name].append(ways[name]())
    return times


def cost(times: list[float], base: list[float]) -> dict[str, float]:
    ratios = [one / other for one, other in zip(times, base, strict=True)]
    drawn = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(1000))
    return {"median": statistics.median(ratios) - 1, "from": drawn[25] - 1, "to": drawn[975] - 1}


def share_of_calls(step_time: float, n_calls: int = 1_000_000) -> dict[str, float]:
    """Time the calls that are made when nothing is recorded, and count them in a step."""
    start = time.process_time()
    for _ in range(n_calls):
        is_recording()
    each = (time.process_time() - start) / n_calls
    network = Informer(SIZES, d_model=64, n_heads=4)
    n_layers = len(network.attention_layers())
    return {"ns_a_call": 1e9 * each, "calls_a_step": n_layers, "share_of_a_step": n_layers * each / step_time}


def recording_costs(n_rounds: int = 1000) -> dict[str, Any]:
    random.seed(0)
    times = times_by_turns(n_rounds)
    return {
        "rounds": n_rounds,
        "ms_a_step": {name: 1e3 * statistics.median(values) for name, values in times.items()},
        "cost_when_off": cost(times["off"], times["without"]),
        "noise": cost(times["off again"], times["off"]),
        "cost_when_on": cost(times["on"], times["without"]),
        "calls": share_of_calls(statistics.median(times["off"])),
    }


def cost_when_off(figures: Figures) -> float | None:
    found = figures.get("cases", {}).get("Informer", {}).get("result")
    return None if found is None else found["cost_when_off"]["median"]


def laid_out(figures: Figures) -> str:
    """Lay out a row for each thing compared."""
    found = figures["cases"]["Informer"]["result"]
    rows = {
        "off, to a step without the lines that record": found["cost_when_off"],
        "off, to the same again (noise)": found["noise"],
        "attention recorded, to a step without": found["cost_when_on"],
    }
    percent = [[name, *(f"{100 * one[what]:.2f}" for what in ("median", "from", "to"))] for name, one in rows.items()]
    calls = found["calls"]
    return table(["recording, % of a training step", "more", "from", "to"], percent) + (
        f"\n\nA step takes {found['ms_a_step']['off']:.1f} ms. The {calls['calls_a_step']} calls that are left when "
        f"nothing is recorded take {calls['ns_a_call']:.0f} ns each: {calls['share_of_a_step']:.1g} of it."
    )


BENCHMARKS = [
    Trials(
        name="recording",
        title="Explanations: what recording costs",
        cases={"Informer": recording_costs},
        summary=laid_out,
        seconds=600,
        processor_only=True,
        goals=[Goal("Recording that is off, share of a training step", cost_when_off, at_most=0.01)],
    )
]
