"""What a network says its forecasts cost, by a measure of its own: gaps, sample weights, and what is noted."""

import pytest
import torch
from darts.utils.data.torch_datasets.utils import TorchTrainingBatch

from darts_tsformers.models import TSFormerModel
from darts_tsformers.networks import Network, Score, Training
from darts_tsformers.window.covariates import ALL_KINDS
from tests.contracts.cases import Case, H, L, make_data
from tests.helpers import draw, exactly, scatter_


class Scorer(Network, name="scorer"):
    """A level that is scored by its absolute error at every second step."""

    reads = ALL_KINDS
    width_tie = None
    needs_future_target = True
    validates_by_lessons = True

    def __init__(self, sizes):
        super().__init__(sizes)
        self.level = torch.nn.Parameter(torch.zeros(()))

    def forward(self, window):
        return self.level.expand(len(window.target), self.sizes.output_length, window.target.shape[-1], 1)

    def learn(self, window):
        whole = torch.cat([window.target, window.future_target], dim=1)
        counts = (torch.arange(whole.shape[1]) % 2 == 0)[:, None].expand_as(whole)
        return Training(None, scores=[Score("far", (whole - self.level).abs(), counts, weight=0.5)])


class ScorerModel(TSFormerModel):
    """A level."""

    network_class = Scorer

    def __init__(
        self, input_chunk_length, output_chunk_length, output_chunk_shift=0, *, use_instance_norm=False, **kwargs
    ):
        super().__init__()


CASE = Case(ScorerModel, {})


def module_of():
    module = CASE.model(n_epochs=0).fit(make_data(3, ()).series).model
    module.forecaster.target_unit.level.zero_()
    module.forecaster.target_unit.spread.fill_(1.0)
    scatter_(module)
    module.noted = {}
    module.log = lambda name, value, **_: module.noted.update({name: value})
    return module.train()


def a_batch(*, gaps: bool, weighted: bool) -> TorchTrainingBatch:
    past, future = draw(4, L, 3, seed=1), draw(4, H, 3, seed=2)
    if gaps:
        past[draw(4, L, 3, seed=3) > 0.5] = torch.nan
        future[draw(4, H, 3, seed=4) > 0.5] = torch.nan
    weight = draw(4, H, 3, seed=5).abs() if weighted else None
    return TorchTrainingBatch(past_target=past, future_target=future, sample_weight=weight)


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
def test_a_score_counts_where_something_was_observed_by_its_weight(gaps, weighted):
    module, batch = module_of(), a_batch(gaps=gaps, weighted=weighted)
    level = module.forecaster.network.level
    whole, errors = torch.cat([batch.past_target, batch.future_target], dim=1), []
    for b, step, c in (~whole.isnan()).nonzero().tolist():
        if step % 2 == 0:
            weight = 1.0
            if weighted:
                own = batch.sample_weight[b, :, c]
                weight = own[step - L] if step >= L else own.mean()
            errors.append((whole[b, step, c] - level).abs() * weight)
    expected = 0.5 * torch.stack(errors).mean()
    loss = module.training_step(batch, 0)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(one, level) for one in (loss, expected)))
    torch.testing.assert_close(module.noted["train_loss"], expected)


def test_a_batch_without_a_value_teaches_nothing():
    module, batch = module_of(), a_batch(gaps=False, weighted=False)
    past, future = batch.past_target * torch.nan, batch.future_target * torch.nan
    nothing = TorchTrainingBatch(past_target=past, future_target=future)
    loss = module.training_step(nothing, 0)
    loss.backward()
    assert loss == 0
    assert module.forecaster.network.level.grad == 0
    assert module.noted == {}


def test_it_is_validated_by_its_scores():
    series = make_data(3, ()).series
    model = CASE.model().fit(series, val_series=series)
    (_, validation), *_ = model.model.loss_history
    assert validation == pytest.approx(model.trainer.callback_metrics["val_loss"].item())


def test_names_must_differ():
    score = Score("far", torch.zeros(1, 2, 1), torch.ones(1, 2, 1, dtype=torch.bool))
    message = (
        "names=['far', 'far'] of lessons, scores and penalties must differ, and none be one of ['loss', 'horizon']"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        Training(None, scores=[score, score])
