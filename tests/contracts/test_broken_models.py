"""The suite catches what it is there to catch: models broken on purpose fail it."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from darts_tsformers.adapter import module as _module
from darts_tsformers.models import TSFormerModel
from darts_tsformers.networks import Forecaster, Network
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS
from tests.contracts import checks
from tests.contracts.cases import Case, H, L, make_data


class ToyNetwork(Network, name="toy_with_a_flaw"):
    """A linear map of the look-back plus one of everything known; a flaw at will.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    flaw
        What is wrong with it.
    """

    reads = ALL_KINDS
    knows_start = True

    def __init__(self, sizes: Sizes, *, flaw: str = "none") -> None:
        super().__init__(sizes)
        self.flaw = flaw
        self.linear = nn.Linear(sizes.input_length, sizes.output_length)
        self.past = nn.Linear(max(sizes.n_past, 1), 1)
        self.future = nn.Linear(max(sizes.n_future, 1), 1)
        self.static = nn.Linear(max(sizes.n_static, 1), 1)

    def forward(self, window: Window) -> torch.Tensor:
        if self.flaw != "reads_padding":
            window = without_padding(window)
        out = self.linear(window.target.mT).mT
        out = out + self.past(window.past).mean(1, keepdim=True)
        if self.flaw != "ignores_future":
            known = window.future.roll(1, dims=1) if self.flaw == "future_one_step_late" else window.future
            out = out + self.future(known) + self.future(window.historic_future).mean(1, keepdim=True)
        out = out + self.static(window.static).mT
        if self.flaw == "batch_leak":
            out = out + out.mean(dim=0, keepdim=True)
        if self.flaw == "batch_statistics":
            out = F.batch_norm(out, None, None, training=True)
        if self.flaw == "random":
            out = out + torch.randn_like(out)
        if self.flaw == "dead_parameter":
            out = out - self.static(window.static).mT
        return out.unsqueeze(-1)


def without_padding(window: Window) -> Window:
    """Return the window with zeros before each history."""
    if window.start is None:
        return window
    is_padding = (torch.arange(window.target.shape[1]) < window.start[:, None])[..., None]
    rows = {name: getattr(window, name).masked_fill(is_padding, 0) for name in ("target", "past", "historic_future")}
    return replace(window, **rows)


class ToyModel(TSFormerModel):
    """A toy."""

    network_class = ToyNetwork

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        flaw: str = "none",
        use_instance_norm: bool = True,
        use_static_covariates: bool = True,
        **kwargs,
    ) -> None:
        super().__init__()


PROMISES = [
    checks.forecast_is_the_same_twice,
    checks.forecast_does_not_depend_on_batch_mates,
    checks.each_covariate_changes_the_forecast,
    checks.the_known_future_reaches_the_step_it_belongs_to,
    checks.the_future_never_leaks,
    checks.inputs_are_never_written_to,
    checks.a_step_of_no_weight_does_not_count,
    lambda case: checks.every_parameter_gets_a_gradient(case, 3),
]


@pytest.mark.parametrize("check", [*PROMISES, checks.what_comes_before_a_history_is_not_read])
def test_a_sound_toy_passes(check):
    check(Case(ToyModel, {"flaw": "none"}))


@pytest.mark.parametrize(
    ("flaw", "check", "message"),
    [
        ("batch_leak", checks.forecast_does_not_depend_on_batch_mates, "not close"),
        ("batch_statistics", checks.forecast_does_not_depend_on_batch_mates, "not close"),
        ("future_one_step_late", checks.the_known_future_reaches_the_step_it_belongs_to, "does not respond"),
        ("reads_padding", checks.what_comes_before_a_history_is_not_read, "padding before a history is read"),
        ("random", checks.forecast_is_the_same_twice, "not equal"),
        ("ignores_future", checks.each_covariate_changes_the_forecast, "future covariates are ignored"),
        ("ignores_future", checks.the_known_future_reaches_the_step_it_belongs_to, "does not respond"),
        ("dead_parameter", lambda case: checks.every_parameter_gets_a_gradient(case, 3), "static.weight"),
    ],
)
def test_a_broken_toy_is_caught(flaw, check, message):
    with pytest.raises(AssertionError, match=message):
        check(Case(ToyModel, {"flaw": flaw}))


def test_a_leak_of_the_future_target_is_caught(monkeypatch):
    honest = _module.TSFormerModule.forward

    def leaking(self, x_in):
        out = honest(self, x_in)
        if x_in.future_target is None:
            return out
        return out.replace(prediction=out.prediction + x_in.future_target.unsqueeze(-1) * 1e-3)

    monkeypatch.setattr(_module.TSFormerModule, "forward", leaking)
    with pytest.raises(AssertionError, match="future_target leaks in stage val"):
        checks.the_future_never_leaks(Case(ToyModel, {"flaw": "none"}))


def test_writing_to_an_input_is_caught(monkeypatch):
    honest = _module.TSFormerModule.forward

    def writing(self, x_in):
        out = honest(self, x_in)
        x_in.past_covariates.add_(1)
        return out

    monkeypatch.setattr(_module.TSFormerModule, "forward", writing)
    with pytest.raises(AssertionError, match="past_covariates"):
        checks.inputs_are_never_written_to(Case(ToyModel, {"flaw": "none"}))


def test_an_ignored_sample_weight_is_caught(monkeypatch):
    honest = _module.TSFormerModule._compute_loss

    def ignoring(self, output, target, criterion, sample_weight, *args, **kwargs):
        ones = None if sample_weight is None else torch.ones_like(sample_weight)
        return honest(self, output, target, criterion, ones, *args, **kwargs)

    monkeypatch.setattr(_module.TSFormerModule, "_compute_loss", ignoring)
    with pytest.raises(AssertionError, match="a step counts whose weight is zero"):
        checks.a_step_of_no_weight_does_not_count(Case(ToyModel, {"flaw": "none"}))


def test_a_look_at_later_values_is_caught(monkeypatch):
    """Forecasts made from a normalisation over the whole series move when its end does."""
    honest = ToyModel.historical_forecasts

    def peeking(self, series, *args, **kwargs):
        level = float(series.values().mean())
        return honest(self, series - level, *args, **kwargs)

    monkeypatch.setattr(ToyModel, "historical_forecasts", peeking)
    with pytest.raises(AssertionError):
        checks.later_values_do_not_move_earlier_forecasts(Case(ToyModel, {"flaw": "none"}))


class PlainNetwork(Network, name="plain"):
    """A linear map of the look-back that has no place for covariates.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.linear = nn.Linear(sizes.input_length, sizes.output_length)

    def forward(self, window: Window) -> torch.Tensor:
        return self.linear(window.target.mT).mT.unsqueeze(-1)


class PlainModel(TSFormerModel):
    """Plain."""

    network_class = PlainNetwork

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        use_instance_norm: bool = True,
        use_static_covariates: bool = True,
        train_variates: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__()


@pytest.mark.parametrize("check", PROMISES)
def test_a_network_without_a_place_for_covariates_keeps_the_promises(check):
    check(Case(PlainModel, {}))


def test_the_shared_head_adds_nothing_at_the_start():
    sizes = Sizes(L, H, n_targets=3, n_past=2, n_future=2, n_static=2)
    forecaster = Forecaster(PlainNetwork(sizes)).eval()
    given = checks.batch()
    window = Window(
        given.past_target,
        past=given.past_covariates,
        historic_future=given.historic_future_covariates,
        future=given.future_covariates,
        static=given.static_covariates,
    )
    assert torch.equal(
        forecaster(window),
        forecaster(
            Window(
                given.past_target,
                static=torch.zeros(3, 3, 2),
                past=torch.zeros(3, L, 2),
                historic_future=torch.zeros(3, L, 2),
                future=torch.zeros(3, H, 2),
            )
        ),
    )


def test_an_architecture_tied_to_its_width_says_so():
    model = Case(PlainModel, {}).model().fit(make_data(5, ()).series)
    with pytest.raises(ValueError, match="was trained on 5 and its architecture has parameters for each of them"):
        model.predict(H, make_data(3, ()).series)
    with pytest.raises(ValueError, match="not tied to its components; it is by its architecture"):
        Case(PlainModel, {}).model(train_variates=2)
