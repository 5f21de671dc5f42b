"""Paths that a network draws: the same by the same seed, whatever they are drawn with, and in the units of the data."""

from unittest.mock import Mock

import numpy as np
import pytest
import torch
from darts import TimeSeries
from darts.utils.data.torch_datasets.utils import PLModuleInput
from darts.utils.likelihood_models.torch import GaussianLikelihood

from darts_tsformers.networks import Noise, median_path
from darts_tsformers.window import Sizes, Window
from tests.adapter.walkers import Walker, WalkerModel
from tests.contracts import checks
from tests.contracts.cases import CASE, Case, H, L, make_data
from tests.helpers import draw, exactly, scatter_

WALKER, N = Case(WalkerModel, {}), 7
NORMS = {
    "norm": {},
    "none": {"use_instance_norm": False},
    "Darts'": {"use_instance_norm": False, "use_reversible_instance_norm": True},
}


def fitted(kinds: tuple[str, ...] = (), **arguments) -> WalkerModel:
    data = make_data(2, kinds)
    return WALKER.model(**arguments).fit(data.series, **data.covariates())


def series(seed: int, n_components: int = 2) -> TimeSeries:
    return make_data(n_components, (), seed=seed).series


def paths_by_hand(model: WalkerModel, past: np.ndarray, seed: int, n_blocks: int) -> np.ndarray:
    """Draw each path alone, block by block, each block from what the path has become by then."""
    module, whole = model.model.eval(), torch.from_numpy(past)[None]
    paths = []
    for number in range(N):
        noise, path = Noise(range(number, number + 1), n_paths=N, seed=seed, windows=whole), whole
        with torch.no_grad():
            for _ in range(n_blocks):
                path = torch.cat([path, module.sample(PLModuleInput(past_target=path[:, -L:]), noise)], dim=1)
        paths.append(path[0, len(past) :])
    return torch.stack(paths, dim=-1).numpy()


def seed_of(random_state: int) -> int:
    """Return what Darts seeds torch with."""
    return np.random.RandomState(random_state).randint(0, high=2**31 - 1)


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("n_blocks", [1, 2, 3])
def test_each_path_goes_on_from_where_it_was(n_blocks, norm):
    model, past = fitted(**norm), series(1)
    drawn = model.predict(n_blocks * H, past, num_samples=N, random_state=3).all_values()
    np.testing.assert_allclose(drawn, paths_by_hand(model, past.values(), seed_of(3), n_blocks), rtol=1e-5, atol=1e-5)
    assert (drawn.std(axis=-1) > 0.01).all()


@pytest.mark.parametrize("n", [3, H, H + 4])
def test_paths_depend_neither_on_batch_mates_nor_on_the_size_of_a_batch(n):
    model, several = fitted(), [series(seed) for seed in range(3)]
    how = {"num_samples": N, "random_state": 3}
    together = model.predict(n, several, **how)
    for batch_size in (1, 2, 5, 6):
        for ours, theirs in zip(together, model.predict(n, several, batch_size=batch_size, **how), strict=True):
            np.testing.assert_allclose(ours.all_values(), theirs.all_values(), rtol=1e-5, atol=1e-5)
    alone = [model.predict(n, one, **how).all_values() for one in several]
    np.testing.assert_allclose([one.all_values() for one in together], alone, rtol=1e-5, atol=1e-5)


def test_a_seed_repeats_paths_and_without_one_they_are_new():
    model = fitted()
    first, again = (model.predict(H + 2, num_samples=N, random_state=3).all_values() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    others = [model.predict(H + 2, num_samples=N, random_state=state).all_values() for state in (4, None, None)]
    assert len({one.tobytes() for one in [first, *others]}) == 4


def test_nothing_draws_from_the_global_generator():
    model, before = fitted(), torch.get_rng_state()
    model.predict(H + 2, num_samples=N, random_state=3)
    model.predict(H + 2)
    model.model(checks.batch(2, 2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("n_paths", [1, 2, 11, 12])
def test_a_plain_forecast_is_the_median_of_the_same_paths_each_time(n_paths):
    network = scatter_(Walker(Sizes(L, H, n_targets=3), n_paths=n_paths))
    window = Window(target=draw(4, L, 3))
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(n_paths, *shape, generator=generator) for shape in ((H, 3), (1, 1))]
    paths = [
        network.course(window.target.mT).mT + network.spread * (noise[0][i] + 0.3 * noise[1][i]).cumsum(0)
        for i in range(n_paths)
    ]
    expected = torch.from_numpy(np.median(torch.stack(paths).detach().numpy(), axis=0))
    torch.testing.assert_close(network(window).detach()[..., 0], expected)


def test_the_median_is_drawn_in_parts_and_is_the_same(monkeypatch):
    network = scatter_(Walker(Sizes(L, H, n_targets=3)))
    given = Window(target=draw(4, L, 3), past=draw(4, L, 5), start=torch.tensor([0, 3, 1, 2]))
    rows = []

    def sample(window: Window, noise: Noise) -> torch.Tensor:
        rows.append(len(window.target))
        assert torch.equal(window.past[:4], given.past)
        assert window.start.tolist() == given.start.tolist() * (len(window.target) // 4)
        return network.sample(window, noise)

    whole = median_path(sample, given, 11)
    monkeypatch.setattr("darts_tsformers.networks._paths.ROWS_AT_ONCE", 19)
    torch.testing.assert_close(median_path(sample, given, 11), whole)
    monkeypatch.setattr("darts_tsformers.networks._paths.ROWS_AT_ONCE", 3)
    torch.testing.assert_close(median_path(sample, given, 11), whole)
    assert rows == [44, 16, 16, 12, *[4] * 11]


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_paths_lie_about_the_forecast(norm):
    model = fitted(n_paths=301, **norm)
    forecast = model.predict(H).values()
    paths = model.predict(H, num_samples=301, random_state=3).all_values()
    assert np.abs(np.median(paths, axis=-1) - forecast).max() < 0.5 * paths.std(axis=-1).max()


def test_paths_move_with_level_and_spread_of_the_data():
    model, past = fitted(), series(1)
    how = {"num_samples": N, "random_state": 3}
    moved = model.predict(H, past * 10 + 3, **how).all_values()
    np.testing.assert_allclose(moved, model.predict(H, past, **how).all_values() * 10 + 3, rtol=1e-3)


def test_what_covariates_add_through_the_head_moves_every_path():
    data = make_data(2)
    model = fitted(("past", "future", "static"))
    scatter_(model.model.forecaster.covariate_head)
    moved = data.covariates() | {"future_covariates": data.future_covariates + 1}
    ways = [{"random_state": 3, "num_samples": N}, {}]
    changes = [
        model.predict(H, **moved, **how).all_values() - model.predict(H, **data.covariates(), **how).all_values()
        for how in ways
    ]
    assert np.abs(changes[1]).min() > 1e-6
    np.testing.assert_allclose(changes[0], changes[1].repeat(N, axis=-1), atol=1e-4)


def test_backtests_draw_the_paths_that_predict_does():
    model, whole = fitted(), series(1)
    how = {"num_samples": N, "random_state": 3}
    tests = model.historical_forecasts(
        whole, start=40, forecast_horizon=H, retrain=False, last_points_only=False, verbose=False, **how
    )
    for one in tests:
        before = whole.drop_after(one.start_time())
        np.testing.assert_allclose(one.all_values(), model.predict(H, before, **how).all_values(), rtol=1e-4, atol=1e-4)
    assert len(tests) == len(whole) - 40 - H + 1


def test_quantiles_are_read_off_paths():
    paths = fitted().predict(H, num_samples=N, random_state=3)
    np.testing.assert_allclose(paths.quantile(0.5).values(), np.median(paths.all_values(), axis=-1))


def test_another_number_of_components_has_paths_too():
    assert fitted().predict(H, series(1, 5), num_samples=N).all_values().shape == (H, 5, N)


def test_a_saved_model_draws_the_same_paths(tmp_path):
    model = fitted()
    model.save(tmp_path / "model.pt")
    loaded = WalkerModel.load(tmp_path / "model.pt")
    assert loaded.supports_probabilistic_prediction
    ours, theirs = (one.predict(H, series(1), num_samples=N, random_state=3).all_values() for one in (model, loaded))
    np.testing.assert_array_equal(ours, theirs)


def test_it_learns():
    losses = [train for train, _ in fitted(n_epochs=20, optimizer_kwargs={"lr": 1e-2}).model.loss_history]
    assert losses[-1] < 0.7 * losses[0]


def test_after_an_error_in_the_middle_a_forecast_is_plain_again(monkeypatch):
    model = fitted()
    expected = model.predict(H).values()

    with monkeypatch.context() as patched:
        patched.setattr(Walker, "sample", Mock(side_effect=RuntimeError("as told")))
        with pytest.raises(RuntimeError, match="as told"):
            model.predict(H, num_samples=N)
    np.testing.assert_array_equal(model.predict(H).values(), expected)


@pytest.mark.parametrize("check", [
    checks.forecast_is_the_same_twice,
    checks.forecast_does_not_depend_on_batch_mates,
    checks.each_covariate_changes_the_forecast,
    checks.the_known_future_reaches_the_step_it_belongs_to,
    checks.the_future_never_leaks,
    checks.later_values_do_not_move_earlier_forecasts,
    checks.inputs_are_never_written_to,
    lambda case: checks.every_parameter_gets_a_gradient(case, 3),
])  # fmt: skip
def test_a_walker_keeps_the_promises(check):
    check(WALKER)


def test_a_likelihood_is_refused():
    likelihood = GaussianLikelihood()
    with pytest.raises(
        ValueError, match=exactly(f"likelihood={likelihood!r} must be None: WalkerModel draws paths instead")
    ):
        WALKER.model(likelihood=likelihood)


def test_a_network_that_draws_none_says_so():
    case = CASE["ITransformerModel"]
    model = case.model(dropout=0.0).fit(series(0))
    with pytest.raises(ValueError, match="ITransformerModel has no likelihood to draw samples from"):
        model.predict(H, num_samples=N)
    window = Window(target=draw(1, L, 2))
    with pytest.raises(NotImplementedError, match=exactly("itransformer draws no paths")):
        model.model.forecaster.network.sample(window, Noise(range(1), n_paths=1, seed=0, windows=window.target))


def test_there_is_no_onnx_file_of_it(tmp_path):
    with pytest.raises(ValueError, match=exactly("to_onnx cannot write walker: it draws paths, by a seed")):
        fitted().to_onnx(tmp_path / "model.onnx")
