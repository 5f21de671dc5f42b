"""One trainer serves all forecasts that are made alike."""

import copy
import gc
import weakref

import numpy as np
import pytest
from pytorch_lightning import Callback, Trainer

from darts_tsformers import ITransformerModel
from tests.contracts.cases import CASES, TRAINER, make_data

CASE = next(case for case in CASES if case.model_class is ITransformerModel)
DATA = make_data(1)


class Failing(Callback):
    fails = True

    def on_predict_start(self, trainer, pl_module):
        if self.fails:
            raise RuntimeError("as told")


def trained(**trainer):
    return CASE.model(n_epochs=1, pl_trainer_kwargs=TRAINER | trainer).fit(DATA.series, verbose=False)


def test_a_trainer_is_used_again_and_forecasts_the_same():
    model = trained()
    fresh, others = (model.predict(3, part) for part in (DATA.series, DATA.series[:-2]))
    again = model.trainer
    assert model.predict(3, DATA.series) == fresh
    assert model.predict(3, DATA.series[:-2]) == others
    assert model.trainer is again


def test_other_arguments_make_another_trainer():
    model = trained()
    model.predict(3, DATA.series, verbose=False)
    first = model.trainer
    model.predict(3, DATA.series, verbose=None)
    second = model.trainer
    model.trainer_params["callbacks"] = [*model.trainer_params.get("callbacks", []), Callback()]
    model.predict(3, DATA.series, verbose=None)
    third = model.trainer
    model.trainer_params["callbacks"].append(Callback())
    model.predict(3, DATA.series, verbose=None)
    assert len({id(one) for one in (first, second, third, model.trainer)}) == 4


def test_training_between_two_forecasts_is_seen():
    model = trained()
    before = model.predict(3, DATA.series).values()
    model.fit(DATA.series, epochs=1, verbose=False)
    after = model.predict(3, DATA.series).values()
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(model.untrained_model().fit(DATA.series).predict(3, DATA.series).values(), before)


def test_the_network_and_the_series_of_the_last_forecast_are_let_go_by_training():
    model, series = trained(), DATA.series[:-1]
    model.predict(3, series)
    kept = [weakref.ref(model.model), weakref.ref(model.trainer)]
    model.reset_model()
    model.fit(DATA.series, verbose=False)
    gc.collect()
    assert [one() for one in kept] == [None, None]


def test_a_trainer_of_the_user_is_used_and_not_kept():
    model, own = trained(), Trainer(**TRAINER)
    expected = model.predict(3, DATA.series)
    assert model.predict(3, DATA.series, trainer=own) == expected
    assert model.trainer is own
    model.predict(3, DATA.series)
    assert model.trainer is not own


def test_after_a_forecast_that_failed_another_trainer_is_made():
    callback = Failing()
    model = trained(callbacks=[callback])
    with pytest.raises(RuntimeError, match="as told"):
        model.predict(3, DATA.series)
    failed, callback.fails = model.trainer, False
    assert model.predict(3, DATA.series).n_timesteps == 3
    assert model.trainer is not failed


def test_a_copy_and_a_file_start_with_none(tmp_path):
    model = trained()
    expected = model.predict(3, DATA.series)
    model.save(tmp_path / "model.pt")
    for other in (copy.deepcopy(model), ITransformerModel.load(tmp_path / "model.pt")):
        assert "_prediction_trainer" not in vars(other)
    assert other.predict(3, DATA.series) == expected
    assert model._prediction_trainer.again(**model._prediction_trainer._made_with) is model.trainer
