"""What a network learns from besides the horizon: targets, gaps, weights, penalties, and what is noted of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from darts import TimeSeries
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput, TorchTrainingBatch
from darts.utils.likelihood_models.torch import DirichletLikelihood, GaussianLikelihood, QuantileRegression

from darts_tsformers.adapter.training.lessons import parts_of
from darts_tsformers.networks import Lesson, Training
from tests.adapter.students import SchooledModel, Student, StudentModel
from tests.contracts import checks
from tests.contracts.cases import Case, H, L, make_data
from tests.helpers import draw, exactly, scatter_

STUDENT, SCHOOLED = Case(StudentModel, {}), Case(SchooledModel, {})
LOSSES = {
    "mse": {},
    "sum of errors": {"loss_fn": torch.nn.L1Loss(reduction="sum")},
    "gaussian": {"likelihood": GaussianLikelihood()},
    "quantiles": {"likelihood": QuantileRegression([0.1, 0.5, 0.9])},
}
NORMS = {
    "norm": {},
    "affine": {"instance_norm_affine": True},
    "none": {"use_instance_norm": False},
    "Darts'": {"use_instance_norm": False, "use_reversible_instance_norm": True},
}
DISORDER = [3, L + H - 1, 0, 3, L, 1, L + H - 2]


def module_of(case: Case = STUDENT, **arguments):
    """Return an untrained module with scattered weights that takes steps without a trainer's loop, in data units."""
    module = case.model(n_epochs=0, **arguments).fit(make_data(3, ()).series).model
    module.loss_unit.spread.fill_(1.0)
    scatter_(module).log = lambda *args, **kwargs: None
    return module.train()


def a_batch(n: int = 4, *, gaps: float = 0.0, weighted: bool = False) -> TorchTrainingBatch:
    past, future = draw(n, L, 3, seed=1) + 3, draw(n, H, 3, seed=2) + 3
    hidden = draw(n, L + H, 3, seed=3) < torch.distributions.Normal(0, 1).icdf(torch.tensor(gaps))
    past[hidden[:, :L]], future[hidden[:, L:]] = torch.nan, torch.nan
    return TorchTrainingBatch(
        past_target=past, future_target=future, sample_weight=draw(n, H, 3, seed=4).abs() if weighted else None
    )


def gradients(module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    module.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in module.named_parameters()}


def by_hand(module, batch: TorchTrainingBatch) -> torch.Tensor:
    """Compare value by value what the network says with what was observed, and add up."""
    training = module.learn(PLModuleInput(batch.past_target, stage=ModuleStage.TRAIN))
    whole = torch.cat([batch.past_target, batch.future_target], dim=1)
    of_horizon = range(L, L + H)
    said = [(training.forecast, of_horizon, 1.0)]
    said += [(one.forecast, one.steps.tolist(), one.weight) for one in training.lessons]
    total = sum(training.penalties.values())
    for forecast, steps, share in said:
        outputs, targets, weights = [], [], []
        for b in range(len(whole)):
            for t, step in enumerate(steps):
                for c in range(3):
                    if not whole[b, step, c].isnan():
                        outputs.append(forecast[b, t, c])
                        targets.append(whole[b, step, c])
                        if batch.sample_weight is not None:
                            own = batch.sample_weight[b, :, c]
                            weights.append(own[step - L] if step >= L else own.mean())
        output, target = torch.stack(outputs), torch.stack(targets)
        weight = torch.stack(weights) if weights else None
        total = total + share * loss_by_hand(module, output, target, weight)
    return total


def loss_by_hand(module, output, target, weight):
    if module.likelihood is not None:
        given = None if weight is None else weight[None, :, None]
        return module.likelihood.compute_loss(output[None, :, None], target[None, :, None], given)
    error = output[:, 0] - target
    if isinstance(module.criterion, torch.nn.L1Loss):
        return error.abs().sum() if weight is None else (error.abs() * weight).mean()
    return (error.square() if weight is None else error.square() * weight).mean()


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("gaps", [0.0, 0.3])
@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_loss_is_the_sum_of_all_parts_over_what_was_observed(loss, norm, gaps, weighted):
    module, batch = module_of(**loss, **norm), a_batch(gaps=gaps, weighted=weighted)
    if weighted:
        module.train_criterion.reduction = "none"  # as fit does where there are weights
    ours, theirs = module.training_step(batch, 0), by_hand(module, batch)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradients(module, ours), gradients(module, theirs), rtol=1e-4, atol=1e-4)


def test_a_lesson_is_in_the_units_of_the_data():
    """A guess of 0 in normalised units is the mean of what was observed of the look-back."""
    module, batch = module_of(), a_batch(gaps=0.3)
    with torch.no_grad():
        module.forecaster.network.to_disorder.weight.zero_()
        module.forecaster.network.to_disorder.bias.zero_()
        module.forecaster.missing_offset.zero_()
    _, disorder, _ = parts_of(module.learn(batch.to_module_input()), batch)
    means = batch.past_target.nanmean(dim=1, keepdim=True).expand(-1, 7, -1)
    torch.testing.assert_close(disorder.forecast[..., 0], means)


def test_targets_are_those_of_the_steps_in_their_order():
    batch, module = a_batch(), module_of()
    horizon, disorder, following = parts_of(module.learn(batch.to_module_input()), batch)
    whole = torch.cat([batch.past_target, batch.future_target], dim=1)
    assert torch.equal(horizon.target, batch.future_target)
    assert torch.equal(disorder.target, whole[:, DISORDER])
    assert torch.equal(following.target, whole[:, 1 : L + 1])
    assert [part.share for part in (horizon, disorder, following)] == [1.0, 0.5, 1.0]


def test_steps_may_differ_between_windows_and_components():
    batch, steps = a_batch(weighted=True), torch.tensor([[[0, 5, 17], [13, 1, 1]]]).repeat(4, 1, 1)
    steps[2] = 4
    (part,) = parts_of(Training(lessons=[Lesson("hidden", torch.zeros(4, 2, 3, 1), steps)]), batch)
    whole = torch.cat([batch.past_target, batch.future_target], dim=1)
    for b in range(4):
        for t in range(2):
            for c in range(3):
                step = steps[b, t, c]
                assert part.target[b, t, c] == whole[b, step, c]
                own = batch.sample_weight[b, :, c]
                assert part.sample_weight[b, t, c] == (own[step - L] if step >= L else own.mean())


def test_one_weight_for_all_components_is_theirs():
    batch = a_batch(weighted=True)
    one = replace(batch, sample_weight=batch.sample_weight[..., :1])
    many = replace(batch, sample_weight=one.sample_weight.expand(-1, -1, 3))
    lessons = Training(lessons=[Lesson("a", torch.zeros(4, 7, 3, 1), torch.tensor(DISORDER))])
    weights = [parts_of(lessons, each)[0].sample_weight for each in (one, many)]
    assert torch.equal(*weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_span_counts_by_its_mean_where_all_of_it_was_observed_and_weighs_what_its_least_step_does(weighted):
    batch = a_batch(gaps=0.2, weighted=weighted)
    steps, span = torch.arange(0, L + H, 3), 3
    lesson = Lesson("means", torch.zeros(4, len(steps), 3, 1), steps, span=span)
    (part,) = parts_of(Training(lessons=[lesson]), batch)
    timeline = torch.cat([batch.past_target, batch.future_target], dim=1)
    n_counted = 0
    for b in range(4):
        for j, first in enumerate(steps.tolist()):
            for c in range(3):
                values = [timeline[b, t, c] for t in range(first, min(first + span, L + H))]
                torch.testing.assert_close(part.target[b, j, c], sum(values) / len(values), equal_nan=True)
                n_counted += not part.target[b, j, c].isnan()
                if weighted:
                    weights = batch.sample_weight[b, :, c]
                    known = [weights[t - L] if t >= L else weights.mean() for t in range(first, first + len(values))]
                    torch.testing.assert_close(part.sample_weight[b, j, c], min(known))
    assert 0 < n_counted < part.target.numel()
    assert weighted or part.sample_weight is None


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_a_window_of_weight_zero_teaches_nothing(loss):
    module, batch = module_of(share=2.0, **loss), a_batch(weighted=True)
    module.train_criterion.reduction = "none"
    batch.sample_weight[1] = 0
    batch.sample_weight[2, :, 0] = 0
    other = replace(batch, past_target=batch.past_target.clone(), future_target=batch.future_target.clone())
    for x in (other.past_target, other.future_target):
        x[1] = x[1].square()
        x[2, :, 0] = x[2, :, 0].square()
    found = [gradients(module, module.training_step(each, 0)) for each in (batch, other)]
    torch.testing.assert_close(*found)


def test_an_unknown_weight_is_no_target_and_counts_as_zero_for_the_look_back():
    module, batch = module_of(), a_batch(weighted=True)
    module.train_criterion.reduction = "none"
    unknown, hidden = batch.sample_weight.clone(), batch.future_target.clone()
    unknown[1, 2], hidden[1, 2] = torch.nan, torch.nan
    zero = unknown.nan_to_num(0.0)
    ours = module.training_step(replace(batch, sample_weight=unknown), 0)
    theirs = module.training_step(replace(batch, sample_weight=zero, future_target=hidden), 0)
    torch.testing.assert_close(ours, theirs)


def test_a_component_that_was_never_seen_teaches_nothing():
    module, batch = module_of(), a_batch()
    batch.past_target[:, :, 1] = torch.nan
    ours = module.training_step(batch, 0)
    theirs = by_hand(
        module, replace(batch, future_target=batch.future_target.index_fill(2, torch.tensor(1), torch.nan))
    )
    torch.testing.assert_close(ours, theirs)


def test_a_batch_without_a_value_leaves_the_penalties():
    module, batch = module_of(), a_batch()
    nothing = replace(batch, past_target=batch.past_target * torch.nan, future_target=batch.future_target * torch.nan)
    loss = module.training_step(nothing, 0)
    torch.testing.assert_close(loss, module.forecaster.network.size())
    assert all(gradient.isfinite().all() for gradient in gradients(module, loss).values())


def test_components_of_one_step_that_belong_together_count_if_all_were_observed():
    module = module_of(likelihood=DirichletLikelihood())
    whole = torch.softmax(draw(2, L + H, 3), dim=-1)
    holed = whole.clone()
    holed[0, 3, 1] = holed[1, L, 2] = torch.nan
    less = whole.clone()
    less[0, 3] = less[1, L] = torch.nan
    given = PLModuleInput(whole[:, :L], stage=ModuleStage.TRAIN)
    losses = [
        module._losses_of(parts_of(module.learn(given), TorchTrainingBatch(x[:, :L], future_target=x[:, L:])), None)
        for x in (holed, less)
    ]
    torch.testing.assert_close(losses[0], losses[1])


def test_a_draw_of_components_is_that_of_the_lessons_too(monkeypatch):
    drawn, whole = module_of(train_variates=1), a_batch(weighted=True)
    drawn.train_criterion.reduction = "none"
    monkeypatch.setattr(torch, "randperm", lambda n: torch.tensor([2, 0, 1]))
    alone = {name: getattr(whole, name)[..., 2:] for name in ("past_target", "future_target", "sample_weight")}
    ours = drawn.training_step(whole, 0)
    drawn.train_variates = None
    torch.testing.assert_close(ours, drawn.training_step(TorchTrainingBatch(**alone), 0))


def test_what_covariates_add_through_the_head_is_in_the_forecast_alone():
    data = make_data()
    module = STUDENT.model(n_epochs=0).fit(data.series, **data.covariates()).model
    scatter_(module)
    given = checks.batch(stage=ModuleStage.TRAIN)
    before, after = (module.learn(x) for x in (given, given.replace(future_covariates=given.future_covariates + 1)))
    assert (before.forecast - after.forecast).abs().min() > 0
    for one, other in zip(before.lessons, after.lessons, strict=True):
        assert torch.equal(one.forecast, other.forecast)


def test_a_head_that_nothing_teaches_is_refused():
    data = make_data()
    message = (
        "reads=[] of student must be all kinds of covariates that are given, as it has no forecast in training: "
        "nothing would teach the shared head"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        STUDENT.model(forecasts=False).fit(data.series, **data.covariates())


def test_with_a_shift_the_horizon_begins_where_it_is_forecast():
    series = TimeSeries.from_values(np.arange(L + 2 + H, dtype=np.float32))
    model = STUDENT.model(output_chunk_shift=2)
    module = model.fit(series).model
    sample = model._build_train_dataset([series], None, None, None, None)[0]
    past, future = (torch.from_numpy(x.copy())[None] for x in (sample.past_target, sample.future_target))
    batch = TorchTrainingBatch(past, future_target=future)
    _, disorder, following = parts_of(module.learn(batch.to_module_input()), batch)
    assert disorder.target.flatten().tolist() == [3, L + H + 1, 0, 3, L + 2, 1, L + H]
    assert following.target.flatten().tolist() == [*range(1, L), L + 2]


def fitted(case: Case = STUDENT, **arguments):
    data = make_data(2, ())
    return case.model(batch_size=64, **arguments).fit(data.series, val_series=data.series + 1)


def noted(model) -> dict[str, float]:
    return {name: float(value) for name, value in model.trainer.callback_metrics.items()}


def test_each_part_is_noted_and_they_add_up():
    model = fitted(n_epochs=1)
    metrics = noted(model)
    parts = [metrics.pop(f"train_{name}") for name in ("horizon", "disorder", "next", "size")]
    assert min(parts) > 0
    assert metrics["train_loss"] == pytest.approx(sum(parts), rel=1e-5)
    assert metrics.keys() == {"train_loss", "val_loss"}
    assert model.model.loss_history == [(pytest.approx(metrics["train_loss"]), pytest.approx(metrics["val_loss"]))]


def test_validation_is_of_the_horizon_alone_unless_there_is_no_other_measure(monkeypatch):
    alone = noted(fitted(n_epochs=1))
    monkeypatch.setattr(Student, "validates_by_lessons", True)
    metrics = noted(fitted(n_epochs=1))
    parts = [metrics[f"val_{name}"] for name in ("horizon", "disorder", "next", "size")]
    assert alone["val_loss"] == pytest.approx(parts[0], rel=1e-5)
    assert metrics["val_loss"] == pytest.approx(sum(parts), rel=1e-5)


def test_a_network_without_a_forecast_in_training_learns_from_its_lessons():
    model = fitted(SCHOOLED, n_epochs=3, forecasts=False)
    losses = np.array(model.model.loss_history)
    assert (np.diff(losses, axis=0) < 0).all()
    assert {"train_horizon", "val_horizon"}.isdisjoint(noted(model))
    assert len(model.predict(H)) == H


def test_a_saved_model_keeps_its_losses_and_forecasts(tmp_path):
    series, whole, first = make_data(2, ()).series, fitted(n_epochs=2), fitted(n_epochs=1)
    first.save(tmp_path / "model.pt")
    loaded = StudentModel.load(tmp_path / "model.pt")
    assert loaded.model.loss_history == first.model.loss_history == whole.model.loss_history[:1]
    np.testing.assert_array_equal(loaded.predict(H, series).values(), first.predict(H, series).values())


@pytest.mark.parametrize("check", [
    checks.forecast_is_the_same_twice,
    checks.forecast_does_not_depend_on_batch_mates,
    checks.the_future_never_leaks,
    checks.inputs_are_never_written_to,
    lambda case: checks.every_parameter_gets_a_gradient(case, 3),
])  # fmt: skip
@pytest.mark.parametrize("case", [STUDENT, SCHOOLED], ids=lambda case: case.name)
def test_a_student_keeps_the_promises(case, check):
    check(case)


@pytest.mark.parametrize("names", [("horizon",), ("loss",), ("a", "a")])
def test_names_differ(names):
    lessons = [Lesson(name, torch.zeros(1, 1, 1, 1), torch.zeros(1, dtype=torch.long)) for name in names]
    message = (
        f"names={list(names)} of lessons, scores and penalties must differ, and none be one of ['loss', 'horizon']"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        Training(lessons=lessons)
    with pytest.raises(ValueError, match=exactly(message)):
        Training(None, lessons[1:], {names[0]: torch.zeros(())})


def test_there_is_something_to_learn_from():
    message = "forecast=None needs lessons, scores or penalties: there is nothing to learn from"
    with pytest.raises(ValueError, match=exactly(message)):
        Training()
