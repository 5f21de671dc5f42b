"""The best weights come back, each training starts anew, and gradients are clipped one by one."""

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from darts import TimeSeries

from darts_tsformers.adapter.callbacks import BestWeights, ClipEachGradient, DivergedError
from darts_tsformers.models import TSFormerModel
from tests.contracts.cases import CASE, make_data

SERIES = make_data(2, ()).series
TRAIN, VALIDATION = SERIES[:40], SERIES[20:]


class Noted(pl.Callback):
    """Notes the validation loss and a weight after each epoch."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.sanity_checking:
            self.losses.append(float(trainer.callback_metrics["val_loss"]))
            self.weights.append(copy.deepcopy(pl_module.state_dict()))


def trained(best: BestWeights, noted: Noted, **arguments: Any) -> TSFormerModel:
    """Train at a rate at which the validation loss goes up and down."""
    settings = {"n_epochs": 12, "optimizer_kwargs": {"lr": 0.1}} | arguments
    model = CASE["ITransformerModel"].model(pl_trainer_kwargs={"callbacks": [noted, best]}, **settings)
    return model.fit(TRAIN, val_series=VALIDATION)


def assert_same(state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert state.keys() == expected.keys()
    for name, weight in state.items():
        torch.testing.assert_close(weight, expected[name], rtol=0, atol=0)


def stops_after(losses: list[float], patience: int) -> int:
    """Say by the definition after how many epochs patience is at its end."""
    for epoch in range(patience, len(losses)):
        if min(losses[epoch - patience + 1 : epoch + 1]) >= min(losses[: epoch - patience + 1]):
            return epoch + 1
    return len(losses)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_training_stops_and_the_best_weights_are_back(patience):
    whole = Noted()
    trained(BestWeights(patience=99), whole)
    assert len(whole.losses) == 12
    best, noted = BestWeights(patience), Noted()
    model = trained(best, noted)
    assert len(noted.losses) == stops_after(whole.losses, patience) < 12
    lowest = int(np.argmin(noted.losses))
    assert lowest < len(noted.losses) - 1
    assert (best.loss, best.epoch) == (noted.losses[lowest], lowest + 1)
    assert_same(model.model.state_dict(), noted.weights[lowest])


def test_a_small_gain_does_not_count_but_its_weights_do():
    best = BestWeights(patience=2, min_delta=0.5)
    stopped = []
    for epoch, loss in enumerate([3.0, 2.0, 1.8, 1.7]):
        trainer = SimpleNamespace(
            callback_metrics={"val_loss": loss}, should_stop=False, current_epoch=epoch, sanity_checking=False
        )
        best.on_validation_end(trainer, torch.nn.Linear(2, 3))
        stopped.append(trainer.should_stop)
    assert stopped == [False, False, False, True]
    assert (best.loss, best.epoch) == (1.7, 4)


def test_a_second_training_starts_anew():
    best, noted = BestWeights(patience=1), Noted()
    model = trained(best, noted)
    n_first = len(noted.losses)
    flat = TimeSeries.from_values(np.full((40, 2), 9.0, dtype=np.float32))
    other = TimeSeries.from_values(np.random.default_rng(0).normal(size=(40, 2), scale=30).astype(np.float32))
    model.fit(flat, val_series=other, epochs=3)
    second = noted.losses[n_first:]
    assert min(second) > min(noted.losses[:n_first])
    assert len(second) > 1
    assert best.loss == min(second)
    assert_same(model.model.state_dict(), noted.weights[n_first + int(np.argmin(second))])


def test_two_models_in_turn_do_not_share_their_best():
    best, noted = BestWeights(patience=1), Noted()
    first = trained(best, noted)
    kept = copy.deepcopy(first.model.state_dict())
    trained(best, Noted(), random_state=8, n_epochs=2)
    assert_same(first.model.state_dict(), kept)


def test_without_a_validation_series_nothing_happens():
    arguments = {"n_epochs": 3, "optimizer_kwargs": {"lr": 0.1}}
    plain = CASE["ITransformerModel"].model(**arguments).fit(TRAIN)
    best = BestWeights(patience=1)
    model = CASE["ITransformerModel"].model(pl_trainer_kwargs={"callbacks": [best]}, **arguments).fit(TRAIN)
    assert model.epochs_trained == 3
    assert (best.loss, best.epoch) == (float("inf"), 0)
    assert_same(model.model.state_dict(), plain.model.state_dict())


def test_a_check_before_the_training_does_not_count():
    noted = Noted()
    best = BestWeights(patience=1)
    callbacks = {"callbacks": [noted, best], "num_sanity_val_steps": 1}
    model = CASE["ITransformerModel"].model(n_epochs=1, pl_trainer_kwargs=callbacks)
    model.fit(TRAIN, val_series=VALIDATION)
    assert best.loss == noted.losses[0]
    assert_same(model.model.state_dict(), noted.weights[0])


def test_a_validation_without_a_loss_is_no_gain():
    best = BestWeights(patience=1)
    trainer = SimpleNamespace(callback_metrics={}, should_stop=False, current_epoch=0, sanity_checking=False)
    best.on_validation_end(trainer, None)
    assert trainer.should_stop
    with pytest.raises(DivergedError, match=r"^training diverged: .* look for extreme values and long gaps$"):
        best.on_train_end(trainer, None)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_is_as_new(copied):
    best = BestWeights(patience=2, min_delta=0.25)
    trained(best, Noted())
    fresh = copied(best)
    assert vars(fresh) == vars(BestWeights(2, 0.25))
    assert fresh.loss > best.loss


def test_each_gradient_is_clipped_by_itself():
    layer = torch.nn.Linear(3, 5)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer.weight.grad, layer.bias.grad = torch.full((5, 3), 2.0), torch.full((5,), 0.01)
    given = [parameter.grad.clone() for parameter in layer.parameters()]
    ClipEachGradient(0.5).on_before_optimizer_step(None, None, optimizer)
    torch.testing.assert_close(layer.weight.grad.norm(), torch.tensor(0.5))
    torch.testing.assert_close(layer.weight.grad, given[0] * 0.5 / given[0].norm())
    torch.testing.assert_close(layer.bias.grad, given[1])


def test_a_training_clips_its_gradients():
    class Longest(pl.Callback):
        found = 0.0

        def on_before_zero_grad(self, trainer, pl_module, optimizer):
            norms = [one.grad.norm().item() for one in pl_module.parameters() if one.grad is not None]
            self.found = max([self.found, *norms])

    longest = {name: Longest() for name in ("clipped", "free")}
    for name, callbacks in (("clipped", [ClipEachGradient(1e-3)]), ("free", [])):
        trainer = {"callbacks": [*callbacks, longest[name]]}
        CASE["ITransformerModel"].model(n_epochs=2, pl_trainer_kwargs=trainer).fit(TRAIN)
    assert 0 < longest["clipped"].found <= 1.0001e-3 < longest["free"].found


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BestWeights(0), r"patience=0 must be an integer of at least 1"),
        (lambda: BestWeights(1, -0.1), r"min_delta=-0.1 must be at least 0"),
        (lambda: BestWeights(1, float("nan")), r"min_delta=nan must be at least 0"),
        (lambda: ClipEachGradient(0.0), r"max_norm=0.0 must be above 0"),
    ],
)
def test_a_bad_argument_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
