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
    known = [wave(period, phase, 0, 1) for period in (6, 7, 8, 9, 10) for phase in (0, 2, 4)]
    sizes = {"patch_length": 6, "d_model": 64, "n_layers": 3, "n_paths": 21, "guidance_scale": 5.0}
    training = {"n_epochs": 32, "batch_size": 64, "optimizer_kwargs": {"lr": 3e-3}, "random_state": 0}
    model = GPDModel(24, 6, **sizes, **training, pl_trainer_kwargs=TRAINER).fit(known)
    other = wave(7.5, 0.4, 200, 30)
    past, rest = other[:48], other[48:54]
    level = rest.with_values(np.full((6, 1), past.values().mean()))
    assert mae(rest, model.predict(6, series=past)) < 0.5 * mae(rest, level)
    first, again = (model.predict(6, series=past, num_samples=20, random_state=1) for _ in range(2))
    np.testing.assert_array_equal(first.all_values(), again.all_values())
    assert mql(rest, first) < 0.5 * mae(rest, level)
    assert len(model.predict(11, series=past, num_samples=3)) == 11
