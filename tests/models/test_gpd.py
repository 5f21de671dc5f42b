"""What the model of GPD is for: a series that it never saw."""

import numpy as np
from darts import TimeSeries
from darts.metrics import mae, mql

from darts_tsformers.models import GPDModel
from tests.contracts.cases import TRAINER


def wave(period: float, phase: float, level: float, height: float) -> TimeSeries:
    steps = np.arange(60)
    values = level + height * np.sin(2 * np.pi * steps / period + phase)
    return TimeSeries.from_values(values.astype(np.float32))


def test_it_forecasts_waves_that_it_never_saw():
    """Learnt from periods of 6 to 10 steps, asked for one in between at a level and height of its own."""
    known = [wave(period, phase, 0, 1) for period in (6, 7, 8, 9, 10) for phase in (0, 1, 2, 3, 4, 5)]
    sizes = {"patch_length": 6, "d_model": 32, "n_layers": 2, "n_paths": 21, "n_sampling_steps": 10}
    training = {"n_epochs": 12, "optimizer_kwargs": {"lr": 5e-3}, "random_state": 0, "pl_trainer_kwargs": TRAINER}
    model = GPDModel(24, 6, **sizes, **training).fit(known)
    other = wave(7.5, 0.4, 200, 30)
    past, rest = other[:48], other[48:54]
    forecast = model.predict(6, series=past)
    assert mae(rest, forecast) < 0.4 * mae(rest, rest.with_values(np.full((6, 1), past.values().mean())))
    first, again = (model.predict(6, series=past, num_samples=20, random_state=1) for _ in range(2))
    np.testing.assert_array_equal(first.all_values(), again.all_values())
    assert mql(rest, first, q=[0.1, 0.5, 0.9]) < 12
    assert len(model.predict(11, series=past, num_samples=3)) == 11
