"""Rates over a training, step by step."""

import numpy as np
import pytest
import torch
from darts import TimeSeries

from darts_tsformers.adapter.schedules import ConstantThenDecay, OneCycle
from tests.contracts.cases import CASE, make_data
from tests.helpers import Rates


def optimizer(rate: float = 1.0, kind: type[torch.optim.Optimizer] = torch.optim.Adam) -> torch.optim.Optimizer:
    return kind([torch.zeros(1, requires_grad=True)], lr=rate)


def rates(schedule: torch.optim.lr_scheduler.LRScheduler, n: int) -> list[float]:
    found = []
    for _ in range(n):
        found += schedule.get_last_lr()
        schedule.optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"gamma": 0.5, "n_constant": 2}, [1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16]),  # type1
        ({"gamma": 0.9, "n_constant": 4}, [1, 1, 1, 1, 0.9, 0.9**2]),  # type3
        ({"gamma": 0.5, "n_constant": 1}, [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32]),
    ],
)
def test_constant_then_decay(arguments, expected):
    assert rates(ConstantThenDecay(optimizer(), **arguments), 6) == pytest.approx(expected, rel=1e-15)


def test_a_schedule_goes_on_where_it_was():
    whole = rates(ConstantThenDecay(optimizer()), 7)
    first = ConstantThenDecay(optimizer())
    begun = rates(first, 4)
    second = ConstantThenDecay(optimizer())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert begun + rates(second, 3) == whole


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("pct_start", [0.2, 0.4])
@pytest.mark.parametrize("n_steps", [7, 31])
def test_one_cycle_is_that_of_pytorch(n_steps, pct_start, kind):
    ours = OneCycle(optimizer(0.3, kind), pct_start)
    ours.spread_over(n_steps)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer(0.3, kind), 0.3, total_steps=n_steps, pct_start=pct_start)
    for _ in range(n_steps):
        for name in {"lr", "betas", "momentum"} & ours.optimizer.param_groups[0].keys():
            values = [one.optimizer.param_groups[0][name] for one in (ours, theirs)]
            assert values[0] == pytest.approx(values[1], rel=1e-12)
        for one in (ours, theirs):
            one.optimizer.step()
            one.step()


@pytest.mark.parametrize("n_steps", range(1, 7))
def test_a_cycle_of_few_steps(n_steps):
    schedule = OneCycle(optimizer(), pct_start=0.2)
    schedule.spread_over(n_steps)
    assert all(0 < rate <= 1 for rate in rates(schedule, n_steps))


def test_a_model_lets_the_cycle_last_as_long_as_its_training():
    seen = Rates()
    model = CASE["PatchTSTModel"].model(
        n_epochs=3,
        optimizer_kwargs={"lr": 1e-2},
        lr_scheduler_cls=OneCycle,
        lr_scheduler_kwargs={"pct_start": 0.4},
        pl_trainer_kwargs={"callbacks": [seen]},
    )
    model.fit(make_data().series)
    first = seen.of_steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer(), 1e-2, total_steps=len(first), pct_start=0.4)
    assert first == pytest.approx(rates(schedule, len(first)), rel=1e-12)
    seen.of_steps = []
    model.fit(make_data().series, epochs=1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer(), 1e-2, total_steps=len(first) // 3, pct_start=0.4)
    assert seen.of_steps == pytest.approx(rates(schedule, len(first) // 3), rel=1e-12)


def test_a_model_decays_with_the_epochs():
    seen = Rates()
    model = CASE["ITransformerModel"].model(
        n_epochs=5,
        optimizer_kwargs={"lr": 1e-2},
        lr_scheduler_cls=ConstantThenDecay,
        pl_trainer_kwargs={"callbacks": [seen]},
    )
    model.fit(make_data().series)
    assert seen.of_epochs == pytest.approx([1e-2, 1e-2, 1e-2 / 2, 1e-2 / 4, 1e-2 / 8])


def test_a_cycle_needs_an_end():
    series = TimeSeries.from_values(np.zeros((40, 1), dtype=np.float32))
    model = CASE["PatchTSTModel"].model(n_epochs=-1, lr_scheduler_cls=OneCycle)
    with pytest.raises(ValueError, match=r"lr_scheduler_cls=OneCycle needs a training with an end, not one of inf"):
        model.fit(series)


@pytest.mark.parametrize(
    ("schedule", "arguments", "message"),
    [
        (ConstantThenDecay, {"gamma": 0.0}, r"gamma=0.0 must be above 0 and at most 1"),
        (ConstantThenDecay, {"gamma": 1.1}, r"gamma=1.1 must be above 0 and at most 1"),
        (ConstantThenDecay, {"n_constant": 0}, r"n_constant=0 must be an integer of at least 1"),
        (OneCycle, {"pct_start": 0.0}, r"pct_start=0.0 must be above 0 and below 1"),
        (OneCycle, {"pct_start": 1.0}, r"pct_start=1.0 must be above 0 and below 1"),
    ],
)
def test_a_bad_argument_is_named(schedule, arguments, message):
    with pytest.raises(ValueError, match=message):
        schedule(optimizer(), **arguments)
