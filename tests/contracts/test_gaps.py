"""Data as they are: gaps, short histories, categories, another number of components."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput, PLModuleOutput, TorchTrainingBatch
from darts.utils.likelihood_models.torch import DirichletLikelihood, GaussianLikelihood, QuantileRegression

from darts_tsformers.models import PatchTSTModel
from darts_tsformers.networks._streaming_forecaster import StreamingForecaster
from darts_tsformers.window.missing import fill_gaps
from tests.contracts import checks
from tests.contracts.cases import (
    CASE,
    CASES,
    Case,
    H,
    L,
    each_model,
    every_bridged,
    every_model,
    fitted,
    make_data,
    some_models,
)

EMPTY = PLModuleInput(*[None] * 6, stage=ModuleStage.PREDICT)


def holed(series: TimeSeries, share: float, seed: int = 0, until: int | None = None) -> TimeSeries:
    values = series.values(copy=True)
    gaps = np.random.default_rng(seed).random(values.shape) < share
    if until is not None:
        gaps[until:] = False
    values[gaps] = np.nan
    return series.with_values(values)


@every_model
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_forecasts_and_gradients_stay_finite(case: Case, share):
    module = copy.deepcopy(fitted(case).model)
    given = checks.with_gaps(checks.batch(4, stage=ModuleStage.TRAIN), share)
    for training in (True, False):
        module.train(training)
        module.zero_grad()
        prediction = module(given).prediction
        assert prediction.isfinite().all()
        if not case.draws_paths:
            prediction.square().mean().backward()
        checks.learnt(module, given).backward()
        assert all(p.grad.isfinite().all() for p in module.parameters() if p.requires_grad)


@each_model
@pytest.mark.parametrize(
    ("share", "likelihood"), [(0.3, None), (0.9, GaussianLikelihood)], ids=["a third", "nearly all, Gaussian"]
)
def test_training_on_gaps_keeps_the_weights_finite(case: Case, share, likelihood):
    data = make_data()
    series = holed(data.series, share)
    covariates = {
        "past_covariates": holed(data.past_covariates, share, seed=1),
        "future_covariates": holed(data.future_covariates, share, seed=2, until=53),
    }
    validation = {f"val_{name}": value for name, value in covariates.items()}
    model = case.model(likelihood=likelihood() if likelihood and not case.draws_paths else None)
    model.fit(series, **covariates, val_series=series, **validation)
    assert all(p.isfinite().all() for p in model.model.parameters())
    assert np.isfinite(model.predict(H + 2, **covariates).values()).all()


@every_model
def test_a_model_that_never_sees_a_gap_ignores_the_machinery(case: Case):
    module = fitted(case).model.eval()
    given = checks.batch()
    before = module(given).prediction
    offsets = [p for name, p in module.forecaster.named_parameters() if name.endswith("offset")]
    assert len(offsets) == 3
    kept = [p.detach().clone() for p in offsets]
    for p in offsets:
        p.data += 3
    after = module(given).prediction
    for p, old in zip(offsets, kept, strict=True):
        p.data.copy_(old)
    assert torch.equal(before, after)


@every_bridged
def test_gaps_on_a_straight_line_change_nothing(case: Case):
    """Without normalisation, whose statistics a gap does change; a level line where no later value counts."""
    module = fitted(case, 3, (), use_instance_norm=False).model.eval()
    slope = 0 if isinstance(module.forecaster, StreamingForecaster) else 1
    steps = slope * torch.linspace(-1, 1, L)[None, :, None]
    line = steps * torch.tensor([1.0, -2.0, 0.5]) + torch.tensor([[[0.0]], [[1.0]]])
    hidden = line.clone()
    hidden[0, 2:5, 0] = hidden[1, 1, 2] = torch.nan
    found = [module(replace(EMPTY, past_target=one)).prediction for one in (line, hidden)]
    torch.testing.assert_close(*found)


@every_model
def test_statistics_are_those_of_what_was_observed(case: Case):
    """A window whose first steps are hidden is normalised as the rest of it."""
    module = fitted(case).model.eval()
    target = checks.batch().past_target
    hidden = target.clone()
    hidden[:, :4] = torch.nan
    _, whole = module.forecaster.instance_norm(target[:, 4:])
    filled = fill_gaps(hidden)
    _, seen = module.forecaster.instance_norm(filled.values, filled.missing)
    torch.testing.assert_close(seen.level, whole.level)
    torch.testing.assert_close(seen.spread, whole.spread)


def test_the_share_asked_for_is_hidden():
    series = make_data(3, ()).series
    assert [np.isnan(holed(series, share).values()).mean().round(1) for share in (0.0, 0.3, 1.0)] == [0.0, 0.3, 1.0]


def loss_of(module, likelihood, prediction, target, weight, *, plain: bool) -> torch.Tensor:
    module.likelihood = likelihood
    compute = PLForecastingModule._compute_loss if plain else type(module)._compute_loss
    criterion = torch.nn.MSELoss(reduction="mean" if weight is None else "none")
    return compute(module, PLModuleOutput(prediction=prediction), target, criterion, weight)


LIKELIHOODS = [
    None,
    GaussianLikelihood(),
    QuantileRegression([0.1, 0.5, 0.9]),
    GaussianLikelihood(prior_mu=[1.0, 2, 3]),
]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=["point", "gaussian", "quantiles", "prior"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_without_gaps_is_bit_identical_to_darts_own(likelihood, weighted):
    module = CASE["PatchTSTModel"].model().fit(make_data(3, ()).series).model
    generator = torch.Generator().manual_seed(0)
    q = 1 if likelihood is None else likelihood.num_parameters
    prediction = torch.randn(7, H, 3, q, generator=generator)
    target = torch.randn(7, H, 3, generator=generator)
    weight = torch.rand(7, H, 1, generator=generator) if weighted else None
    ours, theirs = (loss_of(module, likelihood, prediction, target, weight, plain=plain) for plain in (False, True))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=["point", "gaussian", "quantiles", "prior"])
def test_missing_targets_drop_out_of_the_loss(likelihood):
    """Whole steps are missing: the loss is that of the other steps."""
    module = CASE["PatchTSTModel"].model().fit(make_data(3, ()).series).model
    generator = torch.Generator().manual_seed(0)
    q = 1 if likelihood is None else likelihood.num_parameters
    prediction = torch.randn(7, H, 3, q, generator=generator, requires_grad=True)
    target = torch.randn(7, H, 3, generator=generator)
    target[:, 1::2] = torch.nan
    ours = loss_of(module, likelihood, prediction, target, None, plain=False)
    theirs = loss_of(module, likelihood, prediction[:, ::2], target[:, ::2], None, plain=True)
    torch.testing.assert_close(ours, theirs)
    (gradient,) = torch.autograd.grad(ours, prediction)
    assert gradient.isfinite().all()
    assert (gradient[:, 1::2] == 0).all()


def test_a_missing_target_with_zero_weight_harms_nothing():
    module = CASE["PatchTSTModel"].model().fit(make_data(3, ()).series).model
    prediction = torch.ones(2, H, 3, 1, requires_grad=True)
    target, weight = torch.zeros(2, H, 3), torch.ones(2, H, 3)
    target[0, 0, 0], weight[0, 0, 0] = torch.nan, 0
    loss = loss_of(module, None, prediction, target, weight, plain=False)
    torch.testing.assert_close(loss, torch.tensor(1.0))
    assert torch.autograd.grad(loss, prediction)[0].isfinite().all()


def test_a_joint_family_counts_only_complete_steps():
    module = CASE["PatchTSTModel"].model().fit(make_data(3, ()).series).model
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(5, H, 3, 1, generator=generator)
    target = torch.rand(5, H, 3, generator=generator) + 0.1
    target = target / target.sum(-1, keepdim=True)
    holed_target = target.clone()
    holed_target[:, 2, 1] = torch.nan
    ours = loss_of(module, DirichletLikelihood(), prediction, holed_target, None, plain=False)
    kept = [0, 1, 3, 4]
    theirs = loss_of(module, DirichletLikelihood(), prediction[:, kept], target[:, kept], None, plain=True)
    torch.testing.assert_close(ours, theirs)


@some_models
@pytest.mark.parametrize("step", ["training_step", "validation_step"])
def test_windows_without_an_observed_past_are_skipped(case: Case, step, monkeypatch):
    module = fitted(case, 3, ()).model.eval()
    monkeypatch.setattr(type(module), "log", lambda *args, **kwargs: None)
    whole = checks.batch(3)
    seen = TorchTrainingBatch(past_target=whole.past_target, future_target=whole.future_target)
    blind_past = torch.cat([whole.past_target, torch.full((2, L, 3), torch.nan)])
    more = replace(seen, past_target=blind_past, future_target=torch.cat([whole.future_target, torch.ones(2, H, 3)]))
    alone, together = (getattr(module, step)(batch, 0) for batch in (seen, more))
    torch.testing.assert_close(alone, together)


@some_models
def test_an_unobserved_window_is_forecast_by_the_last_known_level(case: Case):
    model, data = fitted(case, 3, ()), make_data(3, ())
    values = data.series.values(copy=True)
    values[-L - 4 :, 1] = np.nan
    forecast = model.predict(H + 2, series=data.series.with_values(values)).values()
    np.testing.assert_allclose(forecast[:, 1], values[-L - 5, 1], atol=0.1)
    assert np.isfinite(forecast).all()
    values[:, 2] = np.nan
    assert np.isfinite(model.predict(H, series=data.series.with_values(values)).values()).all()
    backtest = model.historical_forecasts(
        data.series.with_values(values), start=-3, forecast_horizon=2, retrain=False, verbose=False
    )
    assert np.isfinite(backtest.values()).all()


@some_models
def test_a_gap_in_the_known_future_is_an_error_that_says_where(case: Case):
    model, data = fitted(case), make_data()
    values = data.future_covariates.values(copy=True)
    values[55, 1] = np.nan
    holed_future = data.future_covariates.with_values(values)
    message = "future_covariates component 'f1' of series 1 is NaN at 2001-04-29 00:00:00, a step to forecast"
    with pytest.raises(ValueError, match=message):
        model.predict(
            H,
            [data.series, data.series],
            past_covariates=[data.past_covariates] * 2,
            future_covariates=[data.future_covariates, holed_future],
        )
    assert data.future_covariates.time_index[55] == pd.Timestamp("2001-04-29")


@each_model
def test_short_and_ragged_histories(case: Case):
    panel = [make_data(seed=seed, length=length) for seed, length in [(0, 53), (1, 11), (2, 29)]]
    covariates = {
        "past_covariates": [data.past_covariates for data in panel],
        "future_covariates": [data.future_covariates for data in panel],
    }
    model = case.model(min_input_chunk_length=4).fit([data.series for data in panel], **covariates)
    short = panel[0].series[:4]
    forecast = model.predict(H + 2, short, **panel[0].covariates())
    assert forecast.shape == (H + 2, 3, 1)
    assert np.isfinite(forecast.values()).all()
    past = model.historical_forecasts(
        panel[0].series[:9], forecast_horizon=2, retrain=False, verbose=False, **panel[0].covariates()
    )
    assert past.start_time() == panel[0].series.time_index[5]
    with pytest.raises(ValueError, match="Expected min length: `4`, received length `3`"):
        model.predict(H, panel[0].series[:3], **panel[0].covariates())


@some_models
def test_series_too_short_to_train_on_are_left_out_with_a_warning(case: Case, caplog):
    long, short = make_data(seed=0), make_data(seed=1, length=9)
    needed = L + H
    with_short = case.model().fit(
        [long.series, short.series[: needed - 1]],
        past_covariates=[long.past_covariates, short.past_covariates],
        future_covariates=[long.future_covariates, short.future_covariates],
        sample_weight="linear",
    )
    assert f"1 of 2 series have fewer than the {needed} steps that a window needs" in caplog.text
    alone = case.model().fit(long.series, **long.covariates(), sample_weight="linear")
    ours, expected = (model.predict(H, long.series, **long.covariates()).values() for model in (with_short, alone))
    np.testing.assert_array_equal(ours, expected)
    with pytest.raises(ValueError, match="too short"):
        case.model().fit(short.series, **short.covariates())


@some_models
def test_the_shortest_look_back_must_fit_the_longest(case: Case):
    with pytest.raises(ValueError, match="min_input_chunk_length=14 must be at most input_chunk_length=13"):
        case.model(min_input_chunk_length=14)
    with pytest.raises(ValueError, match="min_input_chunk_length=0 must be an integer of at least 1"):
        case.model(min_input_chunk_length=0)


def with_stores(series: TimeSeries, store: float, size: float = 0.5) -> TimeSeries:
    return series.with_static_covariates(pd.DataFrame({"size": [size], "store": [store]}, dtype=np.float32))


@some_models
@pytest.mark.parametrize("embedding", [5, (5, 2)])
def test_categories(case: Case, embedding, tmp_path):
    plain = make_data(1, ())
    stores = [with_stores(make_data(1, (), seed=i).series, i) for i in range(3)]
    model = case.model(categorical_embedding_sizes={"store": embedding}, n_epochs=3).fit(stores)
    assert model.model.forecaster.statics.embeddings[0].weight.shape == (5, 4 if embedding == 5 else 2)
    forecasts = [model.predict(H, with_stores(plain.series, i)).values() for i in range(3)]
    assert np.abs(forecasts[0] - forecasts[1]).max() > 1e-6
    together = model.predict(H, [with_stores(plain.series, i) for i in range(3)])
    for one, alone in zip(together, forecasts, strict=True):
        np.testing.assert_allclose(one.values(), alone, rtol=1e-5)
    model.save(tmp_path / "saved.pt")
    weights = case.model(categorical_embedding_sizes={"store": embedding}, n_epochs=3)
    weights.load_weights(str(tmp_path / "saved.pt"))
    for loaded in (case.model_class.load(tmp_path / "saved.pt"), weights):
        np.testing.assert_allclose(loaded.predict(H, with_stores(plain.series, 1)).values(), forecasts[1], rtol=1e-5)


@some_models
def test_an_unseen_category_is_an_error_that_says_which(case: Case):
    stores = [with_stores(make_data(1, (), seed=i).series, i) for i in range(2)]
    model = case.model(categorical_embedding_sizes={"store": (5, 2)}).fit(stores)
    for code in (5, -1, 1.5, np.nan):
        message = f"'store' of series 1 has the category {code:g}, which must be an integer from 0 to 4"
        with pytest.raises(ValueError, match=message):
            model.predict(H, [stores[0], with_stores(stores[1], code)])
        with pytest.raises(ValueError, match=message):
            case.model(categorical_embedding_sizes={"store": (5, 2)}).fit([stores[0], with_stores(stores[1], code)])


@some_models
def test_an_unknown_category_name_is_an_error(case: Case):
    model = case.model(categorical_embedding_sizes={"shop": (5, 2)})
    with pytest.raises(
        ValueError, match=r"names 'shop', which must be one of the static covariates \['size', 'store'\]"
    ):
        model.fit(with_stores(make_data(1, ()).series, 0))


@every_model
@pytest.mark.parametrize("width", [1, 3, 8])
def test_another_number_of_components(case: Case, width):
    kinds = ("past", "future", "static")
    model = fitted(case, 5)
    other = make_data(width, kinds, seed=4)
    tie = model.model.forecaster.network.width_tie
    if tie is not None:
        with pytest.raises(ValueError, match=f"series has {width} components, but the model was trained on 5 .*{tie}"):
            model.predict(H, other.series, **other.covariates())
        return
    forecast = model.predict(H + 2, other.series, **other.covariates())
    assert forecast.shape == (H + 2, width, 1)
    assert list(forecast.components) == list(other.series.components)
    backtest = model.historical_forecasts(
        other.series, start=-3, forecast_horizon=2, retrain=False, verbose=False, **other.covariates()
    )
    assert backtest.n_components == width


@pytest.mark.parametrize(
    "tie",
    [{"individual_head": True}, {"instance_norm_affine": True}, {"use_reversible_instance_norm": True}],
    ids=lambda tie: next(iter(tie)),
)
def test_another_number_of_components_where_something_is_tied(tie):
    case = next(case for case in CASES if case.model_class is PatchTSTModel)
    model = case.model(**tie).fit(make_data(5, ()).series)
    message = f"series has 3 components, but the model was trained on 5 and {next(iter(tie))}=True"
    with pytest.raises(ValueError, match=message):
        model.predict(H, make_data(3, ()).series)


@some_models
def test_statics_are_matched_by_name(case: Case):
    stores = [with_stores(make_data(1, (), seed=i).series, i % 3) for i in range(4)]
    turned = [one.with_static_covariates(one.static_covariates[["store", "size"]]) for one in stores]
    sizes = {"store": (3, 2)}
    model = case.model(categorical_embedding_sizes=sizes).fit(stores, val_series=turned)
    assert model.model.forecaster.statics.categories[0].column == 1
    in_order, in_another = (model.predict(H, one).values() for one in (stores[1], turned[1]))
    np.testing.assert_array_equal(in_order, in_another)
    other = stores[0].with_static_covariates(stores[0].static_covariates.rename(columns={"size": "area"}))
    with pytest.raises(
        ValueError, match=r"series 0 has the static covariates \['area', 'store'\], which must be those"
    ):
        model.predict(H, other)


@some_models
def test_an_unknown_weight_takes_its_step_out_of_the_loss(case: Case):
    data = make_data(1, ())
    weight = np.ones((53, 1), dtype=np.float32)
    weight[::7] = np.nan
    model = case.model().fit(data.series, sample_weight=data.series.with_values(weight))
    assert all(p.isfinite().all() for p in model.model.parameters())


def test_a_loss_of_ones_own_keeps_its_shape():
    class PerComponent(torch.nn.Module):
        def forward(self, prediction, target):
            assert prediction.shape[1:] == (H, 3)
            return ((prediction - target) ** 2 * torch.tensor([1.0, 10.0, 100.0])).mean()

    model = CASE["PatchTSTModel"].model(loss_fn=PerComponent()).fit(holed(make_data(3, ()).series, 0.3))
    assert all(p.isfinite().all() for p in model.model.parameters())


@some_models
def test_the_validation_loss_does_not_depend_on_the_batch_size(case: Case):
    data = make_data(3, ())
    frozen = {"dropout": 0.0, "optimizer_kwargs": {"lr": 0.0}}
    # batch norm learns its statistics from the training batches
    frozen |= {name: "layer" for name in ("norm", "distil_norm") if case.takes(name)}
    losses = [
        case.model(batch_size=size, **frozen).fit(data.series, val_series=holed(data.series, 0.7)).model.loss_history
        for size in (1, 4, 1000)
    ]
    validation = [history[-1][1] for history in losses]
    np.testing.assert_allclose(validation, validation[0], rtol=1e-4)


def test_the_history_of_losses_has_what_was_measured():
    data = make_data(3, ())
    model = CASE["PatchTSTModel"].model(n_epochs=4, nr_epochs_val_period=2).fit(data.series, val_series=data.series)
    assert [validation is None for _, validation in model.model.loss_history] == [True, False, True, False]
    values = data.series.values(copy=True)
    values[L:] = np.nan
    nothing_to_forecast = CASE["PatchTSTModel"].model(n_epochs=1).fit(data.series.with_values(values))
    assert nothing_to_forecast.model.loss_history == [(None, None)]


@some_models
def test_series_of_several_widths_are_refused_together(case: Case):
    model = case.model().fit(make_data(3, ()).series)
    with pytest.raises(ValueError, match="series 1 has 1 components and series 0 has 3"):
        model.predict(H, [make_data(3, ()).series, make_data(1, ()).series])


@some_models
def test_the_future_beyond_the_forecast_may_be_unknown(case: Case):
    model, data = fitted(case), make_data()
    values = data.future_covariates.values(copy=True)
    values[53 + 2 :] = np.nan
    forecast = model.predict(
        2, past_covariates=data.past_covariates, future_covariates=data.future_covariates.with_values(values)
    )
    assert np.isfinite(forecast.values()).all()


@some_models
def test_numbers_of_numpy_are_saved_as_python_numbers(case: Case, tmp_path):
    model = case.model(dropout=np.float64(0.1), d_model=np.int64(8)).fit(make_data(1, ()).series)
    model.save(tmp_path / "saved.pt")
    assert case.model_class.load(tmp_path / "saved.pt").predict(H).shape == (H, 1, 1)


@some_models
def test_darts_own_normalisation_sees_gaps(case: Case):
    data = make_data(3, ())
    values = data.series.values(copy=True)
    values[-2, 0], values[7, 1] = np.nan, np.nan
    model = case.model(use_instance_norm=False, use_reversible_instance_norm=True).fit(data.series.with_values(values))
    assert all(p.isfinite().all() for p in model.model.parameters())
    assert np.isfinite(model.predict(H + 2).values()).all()
