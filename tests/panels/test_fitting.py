import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from darts.models import NBEATSModel, RNNModel

from darts_tsformers.panels import BlockSampler, Panel, PanelTrainingDataset, WindowSizes, as_batch, fit_panel
from tests.panels.tables import NAMED, untidy
from tests.panels.test_forecasting import QUIET, SIZES, patchtst, tide


@pytest.fixture(scope="module")
def panel():
    return Panel.from_pandas(untidy(5, seed=2, least=17), **NAMED)


class Seen(pl.Callback):
    """Notes what a training sees."""

    def __init__(self, *, stop_in=None):
        self.batches, self.validated, self.stop_in = [], 0, stop_in

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.batches.append((trainer.current_epoch, batch.future_target.clone()))
        if trainer.current_epoch == self.stop_in:
            raise RuntimeError("stopped")

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.validated += len(batch.past_target)


def weights(model):
    return torch.cat([value.flatten() for value in model.model.parameters()])


def test_a_training_sees_the_windows_that_the_sampler_draws(panel):
    seen = Seen()
    model = patchtst(n_epochs=2)
    model.trainer_params["callbacks"] = [seen]
    fit_panel(model, panel, windows_per_epoch=29, validation=3, seed=7)
    dataset = PanelTrainingDataset(panel, WindowSizes(11, 7, 3), leave_out=3)
    sampler = BlockSampler(dataset, 29, seed=7)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        expected = as_batch(dataset.__getitems__(list(sampler))).future_target
        found = torch.cat([batch for of, batch in seen.batches if of == epoch])
        torch.testing.assert_close(found, expected, equal_nan=True, rtol=0, atol=0)
    assert seen.validated >= 2 * 5
    assert len(model.model.loss_history) == 2


def test_the_same_seed_gives_the_same_weights_and_nothing_else_is_drawn_from(panel):
    before = torch.random.get_rng_state()
    one, same, other = (fit_panel(patchtst(), panel, seed=seed, windows_per_epoch=13) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))


@pytest.mark.parametrize("make", [patchtst, tide])
def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(make, tmp_path):
    table = untidy(5, seed=2, least=17).drop(columns="visits").fillna({"units": 0.0, "price": 0.0})
    panel = Panel.from_pandas(table, **NAMED | {"past": []})
    how = {"windows_per_epoch": 19}
    whole = fit_panel(make(n_epochs=3, dropout=0.3), panel, **how)
    stopped = make(n_epochs=3, dropout=0.3)
    stopped.trainer_params["callbacks"] = [Seen(stop_in=1)]
    with pytest.raises(RuntimeError, match="stopped"):
        fit_panel(stopped, panel, checkpoints=tmp_path, **how)
    seen = Seen()
    again = make(n_epochs=3, dropout=0.3)
    again.trainer_params["callbacks"] = [seen]
    fit_panel(again, panel, checkpoints=tmp_path, **how)
    assert {epoch for epoch, _ in seen.batches} == {1, 2}
    assert torch.equal(weights(again), weights(whole))
    with pytest.raises(ValueError, match=r"holds the result of another run \(seed=0, now 1\)"):
        fit_panel(make(n_epochs=3), panel, checkpoints=tmp_path, seed=1, **how)


def test_gradients_of_two_ranks_are_those_of_one_on_both_batches(panel):
    model = fit_panel(patchtst(dropout=0.0), Panel.from_pandas(untidy(5, seed=2, least=17).fillna(1.0), **NAMED))
    module = model.model.eval()
    dataset = PanelTrainingDataset(panel, WindowSizes(11, 11, 3))

    def gradient(numbers):
        batch = as_batch(dataset.__getitems__(numbers))
        output = module(batch.to_module_input())
        missing = batch.future_target.isnan()
        loss = (output.prediction.squeeze(-1) - batch.future_target.nan_to_num())[~missing].square().sum()
        found = torch.autograd.grad(loss / len(numbers), list(module.parameters()), allow_unused=True)
        return torch.cat([one.flatten() for one in found if one is not None])

    ranks = [list(BlockSampler(dataset, 14, num_replicas=2, rank=rank)) for rank in (0, 1)]
    both = list(BlockSampler(dataset, 14))
    averaged = (gradient(ranks[0]) + gradient(ranks[1])) / 2
    torch.testing.assert_close(averaged, gradient(both), rtol=0, atol=1e-6 * float(averaged.abs().max()))


def test_weights_of_steps_count():
    table = pd.DataFrame({"id": 0, "t": range(97), "y": np.sin(np.arange(97.0))})
    panels = [
        Panel.from_pandas(table.assign(w=weight), id="id", time="t", target="y", weight="w")
        for weight in (1.0, np.where(np.arange(97) < 60, 0.0, 1.0))
    ]
    one, other = (fit_panel(patchtst(dropout=0.0), of) for of in panels)
    assert not torch.equal(weights(one), weights(other))


def test_names_are_those_of_the_panel(panel):
    model = fit_panel(patchtst(categorical_embedding_sizes={"region": 3}), panel)
    assert model._static_names == ["region", "size"]
    one = panel.series(0)
    with pytest.raises(ValueError, match="components"):
        model.predict(2, one.target[["price", "units"]], one.past, one.future)


@pytest.mark.parametrize(
    ("model", "rule"),
    [
        (lambda: RNNModel(11, training_length=13), "model=RNNModel trains on windows that a panel does not have"),
        (lambda: tide(add_encoders={"cyclic": {"future": ["month"]}}), "model=TiDEModel encodes the time itself"),
        (lambda: patchtst(add_encoders={"cyclic": {"future": ["month"]}}), "put these columns into the panel instead"),
    ],
)
def test_models_that_need_more_than_windows(model, rule, panel):
    with pytest.raises(ValueError, match=rule):
        fit_panel(model(), panel)


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"validation": -1}, "validation=-1 must be an integer of at least 0"),
        ({"epochs": 0}, "epochs=0 must be an integer of at least 1"),
        ({"windows_per_epoch": 9999}, "n=9999 must be at most"),
        ({"validation": 2}, "last=2 must be an integer of at least 3"),
        ({"stride": 0}, "stride=0 must be an integer of at least 1"),
    ],
)
def test_arguments_that_break_a_rule(how, rule, panel):
    with pytest.raises(ValueError, match=rule):
        fit_panel(patchtst(), panel, **how)


def test_covariates_without_a_place_are_left_out_with_a_warning(panel, caplog):
    model = NBEATSModel(
        **SIZES,
        generic_architecture=True,
        num_stacks=1,
        num_blocks=1,
        num_layers=1,
        layer_widths=3,
        pl_trainer_kwargs=QUIET,
    )
    with caplog.at_level("WARNING"):
        fit_panel(model, panel)
    assert "NBEATSModel takes no future covariates; ['promo'] are left out." in caplog.text
    assert not model.uses_future_covariates
    assert model.uses_past_covariates
