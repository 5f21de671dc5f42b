"""A grid search finds the better of two models, on the better of them by construction: one sees a whole year."""

from darts.metrics import mae

from darts_tsformers.models import PatchTSTModel
from tests.contracts.cases import TRAINER
from tests.pipelines.real import read


def test_the_look_back_of_a_year_is_found():
    searches = read("ice_cream_heater", "MS")["heater"]
    fixed = {
        "output_chunk_length": 12,
        "patch_length": 4,
        "stride": 2,
        "d_model": 16,
        "n_heads": 2,
        "n_encoder_layers": 1,
        "dropout": 0.0,
        "n_epochs": 20,
        "optimizer_kwargs": {"lr": 3e-3},
        "random_state": 1,
        "pl_trainer_kwargs": TRAINER,
    }
    grid = {"input_chunk_length": [4, 24]} | {name: [value] for name, value in fixed.items()}
    train, last_two_years = searches[:-24], searches[-24:]
    best, chosen, error = PatchTSTModel.gridsearch(grid, train, val_series=last_two_years, metric=mae)
    assert chosen["input_chunk_length"] == best.input_chunk_length == 24
    assert error == mae(last_two_years, best.fit(train).predict(24))
    other = PatchTSTModel(input_chunk_length=4, **fixed).fit(train).predict(24)
    assert mae(last_two_years, other) > 1.2 * error
