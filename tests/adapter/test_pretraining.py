"""Learning before forecasting, the way of ``fit``; and what a forecaster takes from there."""

import copy
import logging
from itertools import combinations

import numpy as np
import pytest
import torch
from darts.utils.data.torch_datasets.utils import ModuleStage, TorchTrainingBatch
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression
from pytorch_lightning import Callback

from darts_tsformers import AutoformerModel, ITransformerModel, PatchTSMixerModel, PatchTSTModel, SMambaModel, pretrain
from darts_tsformers.adapter.transfers.transfer import NETWORK
from darts_tsformers.explain import explain
from darts_tsformers.pretraining.encoder import head_names
from darts_tsformers.window import Window
from tests.contracts.cases import CASES, KINDS, TRAINER, Case, H, L, make_data
from tests.helpers import draw, exactly

ABLE = (ITransformerModel, PatchTSMixerModel, PatchTSTModel, SMambaModel)
FORMS = [case for case in CASES if case.model_class in ABLE]
PATCHED = next(case for case in FORMS if case.name == "PatchTSTModel")
MAIN = [case for case in FORMS if not case.variant]
each_form = pytest.mark.parametrize("case", FORMS, ids=lambda case: case.name)
each_model = pytest.mark.parametrize("case", MAIN, ids=lambda case: case.name)


def pretrained(case: Case = PATCHED, kinds=(), n_components: int = 3, settings=None, **arguments):
    data = make_data(n_components, kinds)
    return pretrain(case.model(**arguments), data.series, **data.covariates(), **settings or {})


def weights(model, part: str = "") -> dict[str, torch.Tensor]:
    return {n: w.clone() for n, w in model.model.state_dict().items() if n.startswith(part)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in one if name in other and torch.equal(one[name], other[name])}


def heads(model) -> set[str]:
    return {NETWORK + name for name in head_names(model.model.forecaster.network)}


def encoder(model) -> set[str]:
    return {name for name, _ in model.model.named_parameters() if name.startswith(NETWORK)} - heads(model)


def beginnings(model) -> list[dict[str, torch.Tensor]]:
    """Note the weights that each training begins with."""
    began = []

    class Begins(Callback):
        def on_train_start(self, trainer, pl_module):
            began.append({n: w.clone() for n, w in pl_module.state_dict().items()})

    model.trainer_params["callbacks"].append(Begins())
    return began


def loss_of(model, past: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Return the training loss of windows."""
    module = model.model.eval()
    module.log = lambda *args, **kwargs: None
    batch = TorchTrainingBatch(past_target=past, future_target=draw(len(past), H, past.shape[-1]), sample_weight=weight)
    return module._train_val_step(batch, ModuleStage.TRAIN, module.train_criterion, None)


def by_hand(model, past: torch.Tensor) -> torch.Tensor:
    """Return the mean square of all guesses of hidden values that were observed, in standard deviations of a window."""
    module = model.model.eval()
    seen, _ = module.forecaster._seen(Window(past))
    (lesson,) = module.forecaster.objective(module.forecaster.network, seen).lessons
    mean = past.nanmean(dim=1, keepdim=True)
    deviation = (past - mean).square().nanmean(dim=1, keepdim=True).sqrt()
    truth = lesson.of((past - mean) / deviation)
    counts = ~truth.isnan() & (True if lesson.counts is None else lesson.counts)
    return (lesson.forecast.squeeze(-1) - truth).square()[counts].mean()


@each_form
@pytest.mark.parametrize("gaps", [False, True], ids=["", "gaps"])
def test_the_loss_is_of_hidden_values_that_were_observed(case, gaps):
    model = pretrained(case, n_epochs=0)
    past = draw(5, L, 3) * torch.tensor([1e-3, 1.0, 1e4]) + 3
    if gaps:
        past[draw(5, L, 3, seed=1) < -0.5] = torch.nan
    torch.testing.assert_close(loss_of(model, past), by_hand(model, past), rtol=1e-4, atol=1e-5)


def test_no_series_counts_for_more_as_its_values_are_larger():
    model = pretrained(n_epochs=0)
    past = draw(5, L, 3)
    torch.testing.assert_close(loss_of(model, past), loss_of(model, past * 1e4 + 5e4), rtol=1e-3, atol=1e-3)


def test_a_window_of_weight_zero_teaches_nothing():
    model = pretrained(n_epochs=0)
    model.model.train_criterion.reduction, model.model.train_criterion_reduction = "none", "mean"
    past, weight = draw(2, L, 3), torch.ones(2, H, 3)
    weight[1] = 0
    other = past.clone()
    other[1] = draw(L, 3, seed=9)
    assert loss_of(model, past, weight) == loss_of(model, other, weight) > 0


@each_model
def test_it_learns_from_many_and_then_forecasts_one(case):
    data = make_data(3)
    covariates = data.covariates()
    many = {name: [given] * 2 for name, given in covariates.items()}
    to_validate = {f"val_{name}": given for name, given in covariates.items()}
    model = case.model(n_epochs=8, optimizer_kwargs={"lr": 5e-3})
    pretrain(model, [data.series] * 2, val_series=data.series, **many, **to_validate)
    losses = np.array(model.model.loss_history)
    assert losses.shape == (8, 2)
    assert (losses[-1] < losses[0]).all()
    model.fit(data.series, transfer="probe_then_full", epochs=1, **covariates)
    assert np.isfinite(model.predict(H, **covariates).values()).all()
    assert model.objective is None


@each_model
@pytest.mark.parametrize("kinds", [(), *combinations(KINDS, 1), KINDS], ids="+".join)
def test_no_parameter_is_idle(case, kinds):
    """One without a gradient would stop training in several processes."""
    model = pretrained(case, kinds, likelihood=GaussianLikelihood(), n_epochs=0)
    module = model.model.train()
    past = draw(4, L, 3)
    given = {
        "past_covariates": draw(4, L, 2) if "past" in kinds else None,
        "historic_future_covariates": draw(4, L, 2) if "future" in kinds else None,
        "future_covariates": draw(4, H, 2) if "future" in kinds else None,
        "static_covariates": draw(4, 3, 2) if "static" in kinds else None,
    }
    module.log = lambda *args, **kwargs: None
    batch = TorchTrainingBatch(past_target=past, future_target=draw(4, H, 3), **given)
    module._train_val_step(batch, ModuleStage.TRAIN, None, None).backward()
    idle = {name for name, p in module.named_parameters() if p.requires_grad and p.grad is None}
    assert idle == set()
    assert heads(model) == {name for name, p in module.named_parameters() if not p.requires_grad}


@each_model
def test_a_probe_leaves_the_encoder_as_it_was(case):
    model = pretrained(case)
    before = weights(model)
    model.fit(make_data(3, ()).series, transfer="probe")
    kept = same(before, weights(model))
    assert encoder(model) <= kept
    assert not heads(model) & kept
    assert all(p.requires_grad for p in model.model.parameters())


@each_model
@pytest.mark.parametrize("transfer", ["full", "probe_then_full", None])
def test_all_of_it_can_be_trained(case, transfer):
    model = pretrained(case)
    before = weights(model)
    began = beginnings(model)
    model.fit(make_data(3, ()).series, transfer=transfer)
    assert len(began) == (2 if transfer == "probe_then_full" else 1)
    assert all(encoder(model) <= same(before, each) for each in began)
    moved = encoder(model) - same(before, weights(model))
    assert len(moved) > len(encoder(model)) / 2


def test_the_second_phase_goes_on_with_the_head_of_the_first():
    series = make_data(3, ()).series
    one, two = (pretrained(random_state=3) for _ in range(2))
    one.fit(series, transfer="probe_then_full")
    two.fit(series, transfer="probe")
    two.fit(series, transfer="full")
    assert same(weights(one), weights(two)) == weights(one).keys()


@each_model
@pytest.mark.parametrize("transfer", ["probe", "full"])
def test_a_model_that_is_loaded_goes_on_the_same(case, transfer, tmp_path):
    series = make_data(3, ()).series
    model = pretrained(case)
    model.save(tmp_path / "model.pt")
    loaded = case.model_class.load(tmp_path / "model.pt")
    assert loaded.objective == "masked"
    assert same(weights(model), weights(loaded)) == weights(model).keys()
    loaded.trainer_params |= TRAINER
    for each in (model, loaded):
        each.fit(series, transfer=transfer)
    assert same(weights(model), weights(loaded)) == weights(model).keys()


@pytest.mark.parametrize(
    "case", [*MAIN, *(case for case in CASES if case.name == "AutoTCLModel")], ids=lambda c: c.name
)
def test_an_encoder_that_learnt_by_contrast_is_saved_and_probed(case, tmp_path):
    data = make_data(3)
    model, covariates = case.model(), data.covariates()
    validation = {"val_series": data.series} | {f"val_{name}": value for name, value in covariates.items()}
    pretrain(model, data.series, objective="contrastive", hide_rate=0.3, **covariates, **validation)
    assert np.isfinite(model.model.loss_history).all()
    model.save(tmp_path / "model.pt")
    loaded = case.model_class.load(tmp_path / "model.pt")
    assert loaded.objective == "contrastive"
    before = weights(model)
    loaded.trainer_params |= TRAINER
    for each in (model, loaded):
        each.fit(data.series, transfer="probe", **covariates)
        assert encoder(each) <= same(before, weights(each))
    assert same(weights(model), weights(loaded)) == weights(model).keys()
    assert np.isfinite(model.predict(H).values()).all()


def test_pretraining_goes_on():
    model = pretrained()
    before = weights(model)
    began = beginnings(model)
    pretrain(model, make_data(3, ()).series)
    trained = {name for name, p in model.model.named_parameters() if p.requires_grad}
    assert trained <= same(before, began[0])
    assert not trained <= same(before, weights(model))
    before = weights(model)
    pretrain(model, make_data(3, ()).series, mask_ratio=0.3)
    assert encoder(model) <= same(before, began[1])
    assert "forecaster.objective.head.weight" not in same(before, began[1])


def test_checkpoints_are_of_pretraining(tmp_path):
    model, series = (
        PATCHED.model(save_checkpoints=True, work_dir=str(tmp_path), model_name="run"),
        make_data(3, ()).series,
    )
    pretrain(model, series, val_series=series)
    loaded = PatchTSTModel.load_from_checkpoint("run", tmp_path, best=False)
    assert loaded.objective == "masked"
    assert same(weights(model), weights(loaded)) == weights(model).keys()


def test_units_are_those_of_the_series_that_are_forecast():
    series = make_data(3, ()).series
    model = pretrained()
    model.fit(series * 100 + 7, transfer="full")
    fresh = PATCHED.model(n_epochs=0).fit(series * 100 + 7)
    for unit in ("loss_unit.spread", "forecaster.target_unit.spread"):
        assert torch.equal(model.model.state_dict()[unit], fresh.model.state_dict()[unit])


def test_series_of_another_width_and_a_horizon_of_another_length():
    source = pretrained(n_components=1)
    before = weights(source)
    model = PATCHED.model(output_chunk_length=2).fit(make_data(3, ()).series, transfer="probe", pretrained=source)
    assert encoder(model) <= same(before, weights(model))
    assert model.predict(2).width == 3
    assert same(before, weights(source)) == before.keys()
    assert source.objective == "masked"


def test_double_precision_is_kept():
    data = make_data(3, ())
    model = pretrain(PATCHED.model(), data.series.astype("float64"))
    before = weights(model)
    model.fit(data.series.astype("float64"), transfer="probe")
    assert encoder(model) <= same(before, weights(model))
    assert weights(model)[next(iter(encoder(model)))].dtype is torch.float64


def test_what_is_not_transferred_is_named(caplog):
    source = pretrained(kinds=("past",))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        PATCHED.model(d_ff=13).fit(make_data(3, ("future",)).series, pretrained=source)
    said = "\n".join(record.getMessage() for record in caplog.records)
    layer = "forecaster.network.backbone.encoder.layers.0.feed_forward.0.weight"
    assert f"{layer} ((11, 8) there, (13, 8) here)" in said
    assert "Not transferred, as the model has no such weights: forecaster.network.backbone.covariates.weight, " in said
    assert "as they are of the head: forecaster.network.backbone.head.weight, " in said


def test_nothing_is_said_where_all_is_transferred(caplog):
    model = pretrained()
    caplog.clear()
    model.fit(make_data(3, ()).series, transfer="probe_then_full")
    assert not [record for record in caplog.records if "ransfer" in record.getMessage()]


def test_a_training_that_fails_leaves_the_model_as_it_was():
    model = pretrained()
    before = weights(model)
    with pytest.raises(ValueError, match="too short"):
        model.fit(make_data(3, ()).series[:4], transfer="full")
    assert model.objective == "masked"
    assert same(before, weights(model)) == before.keys()
    assert encoder(model.fit(make_data(3, ()).series, transfer="probe")) <= same(before, weights(model))


def test_a_second_phase_that_fails_undoes_the_first():
    trained = []

    class FailsInSecond(Callback):
        def on_train_start(self, trainer, pl_module):
            trained.append(pl_module)
            if len(trained) == 2:
                raise RuntimeError("out of memory")

    model = pretrained()
    before = weights(model)
    model.trainer_params["callbacks"].append(FailsInSecond())
    with pytest.raises(RuntimeError, match="out of memory"):
        model.fit(make_data(3, ()).series, transfer="probe_then_full")
    assert model.objective == "masked"
    assert same(before, weights(model)) == before.keys() == weights(model).keys()


@pytest.mark.parametrize(
    ("patterns", "transfer", "what"),
    [({"freeze": ["*backbone.head*"]}, "probe", "transfer='probe'"), ({"freeze": ["*"]}, "full", "the call")],
    ids=["head", "all"],
)
def test_patterns_that_leave_nothing_to_train_are_refused(patterns, transfer, what):
    source, model = pretrained(), PATCHED.model(enable_finetuning=patterns)
    message = f"enable_finetuning={patterns!r} freezes all weights that {what} trains"
    with pytest.raises(ValueError, match=exactly(message)):
        model.fit(make_data(3, ()).series, transfer=transfer, pretrained=source)


@pytest.mark.parametrize("arguments", [{"likelihood": QuantileRegression([0.1, 0.5, 0.9])}, {"train_variates": 1}])
@each_model
def test_with_options_of_training(case, arguments):
    if case.model_class in (ITransformerModel, SMambaModel) and "train_variates" in arguments:
        arguments = {"train_variates": 2}
    model = pretrained(case, **arguments).fit(make_data(3, ()).series, transfer="full")
    assert np.isfinite(model.predict(H).values()).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"use_instance_norm": False},
        {"instance_norm_affine": True},
        {"use_instance_norm": False, "use_reversible_instance_norm": True},
    ],
    ids=str,
)
def test_with_any_normalisation(arguments):
    model = pretrained(**arguments).fit(make_data(3, ()).series, transfer="full")
    assert np.isfinite(model.predict(H).values()).all()


def test_a_model_that_was_only_pretrained_does_not_forecast():
    model, series = pretrained(), make_data(3, ()).series
    message = exactly(
        "PatchTSTModel was pre-trained, by objective='masked', and cannot forecast yet: fit it first, with transfer "
        "one of ['probe', 'full', 'probe_then_full']"
    )
    calls = [
        lambda: model.predict(H),
        lambda: model.historical_forecasts(series, retrain=False),
        lambda: model.to_onnx("never.onnx"),
        lambda: explain(model, series),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()


def test_errors_name_what_was_given():
    series = make_data(3, ()).series
    able = ", ".join(["AutoTCLModel", *(model.__name__ for model in ABLE)])
    message = f"objective='masked' does not work with AutoformerModel. It works with {able}"
    with pytest.raises(ValueError, match=exactly(message)):
        pretrain(AutoformerModel(L, H), series)
    with pytest.raises(ValueError, match="objective='guess' must be one of "):
        pretrain(PATCHED.model(), series, objective="guess")
    with pytest.raises(TypeError, match=exactly("model=str(...) must be a forecaster of darts_tsformers")):
        pretrain("model", series)
    with pytest.raises(ValueError, match="mask_ratio=2 must be in"):
        pretrain(PATCHED.model(), series, mask_ratio=2)
    message = (
        "mask_ratio=0.3 is no setting of objective='contrastive'. Its settings: d_augmenter, hard_mask, hide_rate, "
        "temperature, local_weight, kept_weight, consistency_weight"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        pretrain(PATCHED.model(), series, objective="contrastive", mask_ratio=0.3)
    message = "mask='last' must be 'random' for a model whose tokens are whole components"
    with pytest.raises(ValueError, match=exactly(message)):
        pretrain(next(case for case in FORMS if case.name == "ITransformerModel").model(), series, mask="last")
    with pytest.raises(ValueError, match="transfer='all' must be one of "):
        PATCHED.model().fit(series, transfer="all")
    message = "transfer='probe' needs a model that was pre-trained, or fitted, and has its weights"
    with pytest.raises(ValueError, match=exactly(message)):
        PATCHED.model().fit(series, transfer="probe")
    message = "pretrained=SMambaModel(...) must be a PatchTSTModel, as the model is"
    with pytest.raises(ValueError, match=exactly(message)):
        PATCHED.model().fit(series, pretrained=SMambaModel(L, H))
    with pytest.raises(ValueError, match="nothing that was learnt fits"):
        PATCHED.model(d_model=4, n_encoder_layers=1, patch_length=2, d_ff=3, norm="layer", stride=1).fit(
            series, pretrained=pretrained()
        )


@pytest.mark.parametrize("name", ["GPHTModel", "TimeMoEModel"])
def test_readers_learn_what_follows_and_keep_their_heads(name):
    case, data = next(case for case in CASES if case.name == name), make_data(3)
    model = pretrain(case.model(), data.series, objective="next", **data.covariates())
    assert model.objective == "next"
    assert all(p.requires_grad for p in model.model.parameters())
    before, began = weights(model), beginnings(model)
    model.fit(data.series, transfer="probe", **data.covariates())
    assert before.keys() - same(before, began[0]) <= {n for n in before if "unit" in n}
    trained = {name for name, _ in model.model.named_parameters()} - same(before, weights(model))
    assert trained == heads(model)
    assert trained == {n for n in before if ".head." in n or ".heads." in n}


def test_what_follows_is_measured_by_the_spread_of_each_window():
    case = next(case for case in CASES if case.name == "GPHTModel")
    model = pretrain(case.model(n_epochs=0), make_data(3, ()).series, objective="next")
    past = draw(5, L, 3)

    def loss(scale: float) -> torch.Tensor:
        batch = TorchTrainingBatch(past_target=past * scale, future_target=draw(5, H, 3, seed=2) * scale)
        model.model.eval().log = lambda *args, **kwargs: None
        return model.model._train_val_step(batch, ModuleStage.TRAIN, model.model.train_criterion, None)

    torch.testing.assert_close(loss(1.0), loss(1e4))


def test_a_model_that_trains_nothing_is_not_pretrained():
    with pytest.raises(ValueError, match="enable_finetuning=False must be True or None"):
        pretrain(PATCHED.model(enable_finetuning=False), make_data(3, ()).series)


def test_a_network_without_an_encoder_can_go_on_as_a_whole():
    case = next(case for case in CASES if case.name == "AutoformerModel")
    series = make_data(3, ()).series
    source = case.model().fit(series)
    before = weights(source)
    model = case.model(n_epochs=0).fit(series, pretrained=source)
    assert same(before, weights(model)) == before.keys()
    with pytest.raises(ValueError, match="transfer='probe' of AutoformerModel must be 'full'"):
        case.model().fit(series, transfer="probe", pretrained=source)


def test_a_copy_does_not_lose_in_silence_what_was_learnt():
    with pytest.raises(ValueError, match="has no weights: copy and pickle leave them behind"):
        copy.deepcopy(pretrained()).save("never.pt")
