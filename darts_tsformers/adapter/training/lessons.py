"""What each forecast of a training step is compared with."""

from typing import NamedTuple

import torch
from darts.utils.data.torch_datasets.utils import TorchTrainingBatch
from torch import Tensor

from darts_tsformers.networks._lessons import OF_THE_HORIZON, Lesson, Training


class Part(NamedTuple):
    """A forecast to learn from, and what it is of.

    Attributes
    ----------
    name
        What its loss is logged by.
    forecast
        In data units, ``(B, T, C, Q)``.
    target
        What happened, ``(B, T, C)``; NaN where that is not known.
    sample_weight
        The weight of each value, ``(B, T, C)``, or one for all components; None if all are alike.
    share
        What the loss is multiplied by.
    unit
        What errors are measured by, ``(B, 1, C)``; None for the unit of all losses.
    """

    name: str
    forecast: Tensor
    target: Tensor
    sample_weight: Tensor | None
    share: float
    unit: Tensor | None = None


class Scored(NamedTuple):
    """What a network says its forecasts cost.

    Attributes
    ----------
    name
        What it is logged by.
    cost
        Of each step of look-back and horizon, by its weight, ``(B, N, C)``; zero where it does not count.
    counts
        Where it counts.
    share
        What the loss is multiplied by.
    """

    name: str
    cost: Tensor
    counts: Tensor
    share: float


def scored(training: Training, batch: TorchTrainingBatch) -> list[Scored]:
    """Return the scores where something was observed, weighted as lessons are."""
    if not training.scores:
        return []
    target, weight = _timeline(batch)
    found = []
    for one in training.scores:
        counts = one.counts & ~target.isnan()
        cost = one.cost if weight is None else one.cost * weight
        found.append(Scored(one.name, torch.where(counts, cost, 0), counts, one.weight))
    return found


def parts_of(training: Training, batch: TorchTrainingBatch) -> list[Part]:
    """Return the horizon, if it is forecast, and the lessons.

    Steps of the look-back weigh what those of the horizon do on average, of their window and component; an unknown
    weight counts as 0.
    """
    horizon = batch.future_target, batch.sample_weight
    parts = [] if training.forecast is None else [Part(OF_THE_HORIZON, training.forecast, *horizon, share=1.0)]
    if training.lessons:
        target, weight = _timeline(batch)
        parts += [
            Part(
                one.name,
                one.forecast,
                _counted(one, target),
                None if weight is None else one.weight_of(weight),
                share=one.weight,
                unit=one.unit,
            )
            for one in training.lessons
        ]
    return parts


def _counted(lesson: Lesson, target: Tensor) -> Tensor:
    """Return what happened at the steps of a lesson; NaN where that does not count."""
    of_steps = lesson.of(target)
    return of_steps if lesson.counts is None else of_steps.where(lesson.counts, torch.nan)


def _timeline(batch: TorchTrainingBatch) -> tuple[Tensor, Tensor | None]:
    """Return the targets of look-back and horizon, one after the other, and their weights."""
    target = torch.cat([batch.past_target, batch.future_target], dim=1)
    if batch.sample_weight is None:
        return target, None
    of_the_past = batch.sample_weight.mean(dim=1, keepdim=True).expand(-1, batch.past_target.shape[1], -1)
    return target, torch.cat([of_the_past, batch.sample_weight], dim=1).expand_as(target)
