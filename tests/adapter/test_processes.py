"""Which process forecasts and which writes, told without starting any."""

import pytest
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_only

from darts_tsformers import ITransformerModel
from darts_tsformers.adapter.processes import in_one_process, writes_files
from tests.contracts.cases import CASES, TRAINER, make_data

CASE = next(case for case in CASES if case.model_class is ITransformerModel)


@pytest.mark.parametrize(
    ("devices", "chosen"),
    [(2, 1), ("auto", 1), (-1, 1), ("2", 1), ([2, 3], [2]), ((5, 1), [5]), ("3,1", [3])],
)
def test_a_forecast_is_made_on_the_first_device_of_training(devices, chosen):
    given = {"devices": devices, "strategy": "ddp", "precision": 32}
    assert in_one_process(given) == {"devices": chosen, "strategy": "auto", "num_nodes": 1, "precision": 32}


@pytest.mark.parametrize("devices", [1, "1", [3], "3,"])
def test_arguments_of_one_process_stay_as_they_are(devices):
    given = {"devices": devices, "strategy": "a strategy of its own"}
    assert in_one_process(given) is given
    assert in_one_process(given | {"num_nodes": 2})["num_nodes"] == 1


@pytest.fixture
def numbered(monkeypatch):
    """Give this process the number that a task of a cluster may have which has nothing to do with the others."""
    monkeypatch.setattr(rank_zero_only, "rank", 1)


@pytest.mark.usefixtures("numbered")
def test_a_process_that_trains_alone_writes_its_files_whatever_its_number(tmp_path):
    data = make_data(1)
    kept = {"save_checkpoints": True, "model_name": "run", "work_dir": str(tmp_path), "force_reset": True}
    model = CASE.model(n_epochs=1, pl_trainer_kwargs=TRAINER | {"enable_checkpointing": True}, **kept)
    model.fit(data.series)
    expected = model.predict(3)
    model.save(tmp_path / "model.pt")
    assert ITransformerModel.load(tmp_path / "model.pt").predict(3) == expected
    assert ITransformerModel.load_from_checkpoint("run", work_dir=str(tmp_path), best=False).predict(3) == expected


def test_of_processes_that_train_together_the_first_alone_writes(monkeypatch):
    two = {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}
    trainer = Trainer(logger=False, **two)  # sets the number of this process: 0
    assert writes_files(trainer, {})
    for trainer_before in (None, trainer):
        monkeypatch.setattr(rank_zero_only, "rank", 1)
        assert not writes_files(trainer_before, two)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert writes_files(None, {"accelerator": "cpu", "devices": 1})
