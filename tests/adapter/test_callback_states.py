"""A training does not begin with what another one has left in its callbacks."""

import copy

import pytest
import pytorch_lightning as pl
import torch
from darts import TimeSeries
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from darts_tsformers import ITransformerModel
from darts_tsformers.adapter.training.callback_states import begun_anew
from tests.contracts.cases import CASE, TRAINER, H, L, make_data

SERIES = make_data(1, ()).series
CASE_OF = CASE["ITransformerModel"]


class Countdown(pl.Callback):
    """Stops after some epochs, by what it keeps in a number, a tensor and a list that is of its state."""

    def __init__(self, epochs: int = 2) -> None:
        self.epochs = epochs
        self.n_seen = 0
        self.seen: list[int] = []
        self.total = torch.zeros(2)
        self.notes: list[int] = []

    def state_dict(self) -> dict[str, list[int]]:
        return {"seen": self.seen}

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.n_seen += 1
        self.seen.append(trainer.current_epoch)
        self.total = self.total + 1
        self.last = getattr(self, "last", 0) + 1
        self.notes.append(self.n_seen)
        most = max(self.n_seen, len(self.seen), int(self.total.max()), self.last)
        trainer.should_stop = trainer.should_stop or most >= self.epochs


def never_better() -> EarlyStopping:
    return EarlyStopping("val_loss", patience=1, min_delta=1e9)


def model_of(callback: pl.Callback, **arguments: object):
    return CASE_OF.model(**({"n_epochs": 5, "pl_trainer_kwargs": {"callbacks": [callback]}} | arguments))


def epochs_of(model, series: TimeSeries = SERIES) -> int:
    return model.fit(series, val_series=series).epochs_trained


every_kind = pytest.mark.parametrize("make", [never_better, Countdown])


@every_kind
def test_to_fit_again(make):
    model = model_of(make())
    assert [epochs_of(model) for _ in range(3)] == [2, 2, 2]


@every_kind
def test_one_callback_for_several_models_and_for_copies_of_them(make):
    callback = make()
    models = [model_of(callback), model_of(callback)]
    assert [epochs_of(model) for model in models] == [2, 2]
    assert epochs_of(models[0]) == 2
    assert epochs_of(models[1].untrained_model()) == 2
    assert epochs_of(model_of(copy.deepcopy(callback))) == 2
    assert epochs_of(model_of(callback).untrained_model()) == 2


@every_kind
def test_a_saved_model_trains_on_as_the_first_time(make, tmp_path):
    if make is Countdown:
        torch.serialization.add_safe_globals([Countdown])
    model = model_of(make())
    epochs_of(model)
    again = model_of(model.trainer_params["callbacks"][0])
    again.fit(SERIES, val_series=SERIES).save(tmp_path / "a.pt")
    loaded = ITransformerModel.load(tmp_path / "a.pt", trusted=True)
    assert epochs_of(loaded) == 2


def test_a_grid_search_gives_each_combination_its_epochs():
    callback = Countdown(2)
    trained = []

    class Noting(ITransformerModel):
        def _train(self, *args, **kwargs):
            super()._train(*args, **kwargs)
            trained.append(self.epochs_trained)

    grid = CASE_OF.arguments | {
        "input_chunk_length": [L],
        "output_chunk_length": [H],
        "n_epochs": [5],
        "dropout": [0.0, 0.1, 0.2],
        "pl_trainer_kwargs": [TRAINER | {"callbacks": [callback]}],
    }
    grid = {name: value if isinstance(value, list) else [value] for name, value in grid.items()}
    Noting.gridsearch(grid, SERIES[:-H], val_series=SERIES[-H:], verbose=False)
    assert trained == [2, 2, 2]


def test_a_backtest_with_retraining_gives_each_window_the_same_epochs():
    how = {"start": 40, "start_format": "position", "stride": 4, "forecast_horizon": H, "train_length": 30}
    model = model_of(Countdown(2), random_state=0)
    epochs_of(model)
    used = model.historical_forecasts(SERIES, retrain=True, last_points_only=False, verbose=False, **how)
    fresh = model_of(Countdown(2), random_state=0).historical_forecasts(
        SERIES, retrain=True, last_points_only=False, verbose=False, **how
    )
    assert len(used) == 3
    assert used == fresh


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_the_best_weights_are_those_of_the_last_training(tmp_path):
    model = CASE_OF.model(n_epochs=2, work_dir=str(tmp_path), save_checkpoints=True)
    model.fit(SERIES, val_series=SERIES, load_best=True)
    first = {name: weight.clone() for name, weight in model.model.state_dict().items()}
    harder = SERIES * 100
    model.fit(SERIES, val_series=harder, load_best=True)
    assert any(not torch.equal(weight, first[name]) for name, weight in model.model.state_dict().items())


def test_a_callback_shows_its_owner_what_the_last_training_left():
    callback = Countdown(2)
    model, notes = model_of(callback), callback.notes
    for _ in range(2):
        epochs_of(model)
        assert (callback.n_seen, callback.seen, callback.total.tolist()) == (2, [0, 1], [2.0, 2.0])
    assert notes == [1, 2, 1, 2]


def test_what_its_owner_sets_between_two_trainings_stays():
    callback = Countdown(2)
    model = model_of(callback)
    assert epochs_of(model) == 2
    callback.epochs = 3
    assert epochs_of(model) == 3


def test_a_training_that_fails_leaves_nothing_either():
    callback = ModelCheckpoint()

    def fail():
        with begun_anew([callback]):
            callback.best_model_path = "a"
            callback.not_there_before = 3
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert callback.best_model_path == "a"
    with begun_anew([callback]):
        assert (callback.best_model_path, hasattr(callback, "not_there_before")) == ("", False)
