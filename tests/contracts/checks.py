"""What every forecaster promises. Functions, so that a model broken on purpose can be shown to break them."""

from dataclasses import fields, replace
from unittest.mock import patch

import numpy as np
import torch
from darts import TimeSeries
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput, TorchTrainingBatch

from darts_tsformers.adapter.module import TSFormerModule
from darts_tsformers.window import Window
from tests.contracts.cases import KINDS, Case, H, L, fitted, make_data


def shifted(series: TimeSeries, by: float = 2.0) -> TimeSeries:
    return series + by


def batch(
    n: int = 3, n_components: int = 3, *, stage: ModuleStage = ModuleStage.PREDICT, seed: int = 1
) -> PLModuleInput:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(n, *shape, generator=generator)

    return PLModuleInput(
        past_target=draw(L, n_components),
        past_covariates=draw(L, 2),
        historic_future_covariates=draw(L, 2),
        future_covariates=draw(H, 2),
        static_covariates=draw(n_components, 2),
        future_target=draw(H, n_components),
        stage=stage,
    )


def with_gaps(given: PLModuleInput, share: float) -> PLModuleInput:
    """Hide a share of all that may be missing: target, past covariates, past of the future ones."""
    generator = torch.Generator().manual_seed(3)

    def holed(x: torch.Tensor) -> torch.Tensor:
        return x.masked_fill(torch.rand(x.shape, generator=generator) < share, torch.nan)

    names = ("past_target", "past_covariates", "historic_future_covariates")
    return replace(given, **{name: holed(getattr(given, name)) for name in names})


def forecast_is_the_same_twice(case: Case) -> None:
    data = make_data()
    model = fitted(case)
    first, second = (model.predict(H + 2, **data.covariates()) for _ in range(2))
    np.testing.assert_array_equal(first.values(), second.values())


def forecast_does_not_depend_on_batch_mates(case: Case) -> None:
    module = fitted(case).model.eval()
    whole = batch(5)
    together = module(whole).prediction
    for i in range(5):
        alone = module(_rows(whole, slice(i, i + 1))).prediction
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-5, atol=1e-5)
    reversed_order = module(_rows(whole, torch.arange(4, -1, -1))).prediction
    torch.testing.assert_close(reversed_order.flip(0), together, rtol=1e-5, atol=1e-5)


def each_covariate_changes_the_forecast(case: Case) -> None:
    model, data = fitted(case), make_data()
    covariates = data.covariates()
    plain = model.predict(H, series=data.series, **covariates).values()
    moved_static = data.series.with_static_covariates(data.series.static_covariates + 2)
    changed = {
        "past": model.predict(H, data.series, **covariates | {"past_covariates": shifted(data.past_covariates)}),
        "future": model.predict(H, data.series, **covariates | {"future_covariates": shifted(data.future_covariates)}),
        "static": model.predict(H, moved_static, **covariates),
    }
    assert set(changed) == set(KINDS)
    for kind, forecast in changed.items():
        assert np.abs(forecast.values() - plain).max() > 1e-6, f"{kind} covariates are ignored"


def the_known_future_reaches_the_step_it_belongs_to(case: Case) -> None:
    module = fitted(case).model.eval()
    plain = batch()
    future = plain.future_covariates.clone()
    future[:, -1] += 3
    moved = module(plain.replace(future_covariates=future)).prediction - module(plain).prediction
    assert moved[:, -1].abs().max() > 1e-6, "the last step does not respond to its own future covariates"


def the_future_never_leaks(case: Case) -> None:
    module = fitted(case).model.eval()
    for stage in (ModuleStage.VALIDATE, ModuleStage.PREDICT):
        plain = batch(stage=stage)
        known = module(plain).prediction
        other = module(plain.replace(future_target=plain.future_target + 100)).prediction
        assert torch.equal(known, other), f"future_target leaks in stage {stage.value}"
        absent = module(plain.replace(future_target=None)).prediction
        assert torch.equal(known, absent)


def later_values_do_not_move_earlier_forecasts(case: Case) -> None:
    model, data = fitted(case), make_data()
    covariates = data.covariates()
    start = data.series.time_index[29]
    later = data.series.values(copy=True)
    later[40:] += 50
    changed = data.series.with_values(later)
    before, after = (
        model.historical_forecasts(series, start=start, forecast_horizon=3, retrain=False, verbose=False,
                                   last_points_only=False, **covariates)
        for series in (data.series, changed)
    )  # fmt: skip
    for ours, theirs in zip(before, after, strict=True):
        seen_until = data.series.time_index.get_loc(ours.start_time())
        same = np.array_equal(ours.values(), theirs.values())
        assert same == (seen_until <= 40)


def what_comes_before_a_history_is_not_read(case: Case) -> None:
    """Of a network that is told where each history begins, and so has to leave out what pads it."""
    network = fitted(case).model.eval().forecaster.network
    given, other = batch(), batch(seed=2)
    start = torch.tensor([0, 4, 9])
    is_padding = (torch.arange(L) < start[:, None])[..., None]

    def window(padding: PLModuleInput) -> Window:
        def padded(name: str) -> torch.Tensor:
            return torch.where(is_padding, getattr(padding, name), getattr(given, name))

        return Window(
            padded("past_target"),
            past=padded("past_covariates"),
            historic_future=padded("historic_future_covariates"),
            future=given.future_covariates,
            static=given.static_covariates,
            start=start,
        )

    torch.testing.assert_close(network(window(other)), network(window(given)), rtol=0, atol=1e-5, msg=_reads_padding)


def _reads_padding(difference: str) -> str:
    return f"padding before a history is read: {difference}"


def inputs_are_never_written_to(case: Case) -> None:
    module = fitted(case).model
    for training in (True, False):
        module.train(training)
        given = batch(stage=ModuleStage.TRAIN if training else ModuleStage.PREDICT)
        copies = {f.name: _clone(getattr(given, f.name)) for f in fields(given)}
        module(given)
        for name, copy in copies.items():
            if isinstance(copy, torch.Tensor):
                assert torch.equal(copy, getattr(given, name)), name
    module.eval()


def a_step_of_no_weight_does_not_count(case: Case) -> None:
    module = fitted(case).model.eval()
    given = batch(4, stage=ModuleStage.TRAIN)
    weight = torch.rand(4, H, 3, generator=torch.Generator().manual_seed(5)) + 0.5
    weight[:, -1] = 0  # fed to no later step
    inputs = {f.name: getattr(given, f.name) for f in fields(TorchTrainingBatch) if f.name != "sample_weight"}
    other = inputs | {"future_target": given.future_target.clone()}
    other["future_target"][:, -1] += 3

    def loss(inputs: dict[str, torch.Tensor], weight: torch.Tensor) -> torch.Tensor:
        each = patch.object(module.train_criterion, "reduction", "none")  # as fit does where there are weights
        with torch.random.fork_rng(), patch.object(module, "log"), each:
            torch.manual_seed(0)
            return module.training_step(TorchTrainingBatch(**inputs, sample_weight=weight), 0)

    hidden, changed = loss(inputs, weight), loss(other, weight)
    assert torch.equal(hidden, changed), "a step counts whose weight is zero"
    assert not torch.equal(loss(inputs, torch.ones_like(weight)), loss(other, torch.ones_like(weight)))


def every_parameter_gets_a_gradient(case: Case, n_components: int) -> None:
    data = make_data(n_components, KINDS if n_components > 1 else ("past", "future"))  # one static says nothing
    model = case.model().fit(data.series, **data.covariates())
    module = model.model.train()
    given = with_gaps(batch(4, n_components, stage=ModuleStage.TRAIN), share=0.3)
    given = given if n_components > 1 else given.replace(static_covariates=None)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-2)
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    moved = dict.fromkeys(trained, False)
    for i in range(3):
        optimizer.zero_grad(set_to_none=True)
        with torch.random.fork_rng():  # what is drawn in training is that of no other test
            torch.manual_seed(i)
            learnt(module, given).backward()
        for name, parameter in trained.items():
            assert parameter.grad is not None, f"{name} takes no part in what is learnt"
            moved[name] |= bool((parameter.grad != 0).any())
        optimizer.step()
    idle = case.idle + (case.idle_alone if n_components == 1 else ())
    moved = {name: was for name, was in moved.items() if not any(part in name for part in idle)}
    assert all(moved.values()), [name for name, was_moved in moved.items() if not was_moved]


def learnt(module: TSFormerModule, given: PLModuleInput) -> torch.Tensor:
    """Add up the squares of all that a network learns from."""
    training = module.learn(given)
    forecasts = [lesson.forecast for lesson in training.lessons]
    forecasts += [] if training.forecast is None else [training.forecast]
    scores = sum(torch.where(score.counts, score.cost, 0).mean() for score in training.scores)
    return sum(training.penalties.values()) + scores + sum(forecast.square().mean() for forecast in forecasts)


def _rows(given: PLModuleInput, rows: slice | torch.Tensor) -> PLModuleInput:
    tensors = {f.name: getattr(given, f.name) for f in fields(given)}
    return replace(given, **{name: x[rows] for name, x in tensors.items() if isinstance(x, torch.Tensor)})


def _clone(x: object) -> object:
    return x.clone() if isinstance(x, torch.Tensor) else x
