"""The long-range suite as a benchmark."""

from benchmarks.core.trial import Trials
from benchmarks.longrange import encoder, training
from benchmarks.longrange.cases import cases
from benchmarks.longrange.summary import picture, summary

NOTE = (
    f"One encoder for all: {encoder.LAYERS} pre-norm layers of width {encoder.WIDTH} with {encoder.HEADS} heads; a "
    "token for each step, of its values and sines of its position. The last sixteenth of the window is blank, and is "
    f"what is forecast. All are trained alike: {training.STEPS} steps of AdamW on {training.BATCH} new windows each, "
    f"seed {training.SEED}. That is a small budget: an error near 1 can mean that a mechanism needs more. An error is "
    f"the mean squared error on {training.TESTED} other windows, as a share of the variance: 0 is a perfect forecast, "
    "1 is no better than the mean. Of the long-lag AR a tenth cannot be forecast, of noise nothing: the mean is over "
    "the other tasks, as far as all mechanisms were tried on them. Time is processor time of a training step on one "
    "thread, as a share of what it is with exact attention, which is timed in turns with it: the machine had other "
    "work too. Memory is the largest total of tensors alive in a step beyond those that it begins with."
)
BENCHMARKS = [
    Trials(
        name="long_range",
        title="Mechanisms on long-range series",
        cases={one.name: one.run for one in cases()},
        seconds=900,
        processor_only=True,
        summary=summary,
        picture=picture,
        note=NOTE,
    )
]
