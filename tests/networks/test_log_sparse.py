import pytest
import torch

from darts_tsformers.networks import LogSparseTransformer
from darts_tsformers.window import Sizes, Window
from tests.helpers import draw, exactly, make_window, scatter_

TINY = {"d_model": 6, "n_heads": 3, "d_ff": 11, "n_decoder_layers": 2, "dropout": 0.0}
MECHANISMS = ["full", "log_sparse", *(("log_sparse", {"pattern": p}) for p in ("local", "restart", "local+restart"))]
every_mechanism = pytest.mark.parametrize("attention", MECHANISMS, ids=str)


def sizes(input_length: int = 17, output_length: int = 7, **changes: int) -> Sizes:
    return Sizes(input_length, output_length, **({"n_targets": 3, "n_past": 2, "n_future": 5} | changes))


def network(problem: Sizes | None = None, **arguments) -> LogSparseTransformer:
    return scatter_(LogSparseTransformer(problem or sizes(), **(TINY | arguments))).double().eval()


def window_of(problem: Sizes, **changes) -> Window:
    window = make_window(problem, dtype=torch.float64)
    return Window(**(vars(window) | changes))


def taught(model: LogSparseTransformer, window: Window, path: torch.Tensor) -> torch.Tensor:
    """Forecast each step from a path that is taken for true."""
    return model.learn(Window(**(vars(window) | {"future_target": path}))).forecast


def read_on_by_definition(model: LogSparseTransformer, window: Window, feed) -> torch.Tensor:
    """Forecast one step, take it for true, read everything again."""
    horizon, batch = model.sizes.output_length, window.target.shape[0]
    path = torch.zeros(batch, horizon, model.sizes.n_targets, dtype=torch.float64)
    for step in range(horizon):
        out = taught(model, window, path)
        path[:, step : step + 1] = feed(out[:, step : step + 1])
    return taught(model, window, path)


@every_mechanism
@pytest.mark.parametrize("kernel_size", [1, 2, 6, 40])
@pytest.mark.parametrize(("lookback", "horizon"), [(17, 7), (1, 5), (1, 1), (2, 11), (29, 1)])
def test_step_by_step_equals_reading_all_again(attention, kernel_size, lookback, horizon):
    problem = sizes(lookback, horizon, n_parameters=2)
    model = network(problem, attention=attention, kernel_size=kernel_size)
    window = window_of(problem)

    def feed(parameters):
        return parameters[..., 0] - 0.3 * parameters[..., 1].tanh()

    torch.testing.assert_close(model(window, feed), read_on_by_definition(model, window, feed), rtol=1e-9, atol=1e-9)


def test_in_float32_the_cache_agrees_to_1e_5():
    problem = sizes(97, 23)
    model = scatter_(LogSparseTransformer(problem, **(TINY | {"d_model": 30}))).eval()
    window = make_window(problem)
    steps = model(window)
    path = steps[..., 0]
    whole = taught(model, window, path)
    assert (steps - whole).abs().max() < 1e-5 * path.abs().max()


def test_a_step_costs_one_row_and_never_the_window():
    model = network(sizes(29, 7))
    seen = []
    for layer in model.layers:
        layer.feed_forward.register_forward_hook(lambda _, inputs, out: seen.append(inputs[0].shape[1]))
    model(window_of(model.sizes))
    assert seen == [29 + 6] * 2 + [1] * 2 * 6


def test_training_reads_what_was_really_there():
    """Row by row: the step before moves a forecast, the step itself and later ones do not."""
    model = network()
    window = window_of(model.sizes)
    truth = draw(3, 7, 3, seed=5, dtype=torch.float64)
    before = taught(model, window, truth)
    for step in range(7):
        moved = truth.clone()
        moved[:, step] += 1
        after = taught(model, window, moved)
        assert torch.equal(after[:, : step + 1], before[:, : step + 1])
        if step < 6:
            assert (after[:, step + 1] - before[:, step + 1]).abs().min() > 1e-6


def test_a_row_holds_the_step_before_and_the_covariates_of_its_own():
    """With one layer, attention to itself alone and no kernel a forecast depends on its own row only."""
    model = network(n_decoder_layers=1, kernel_size=1)
    with torch.no_grad():
        model.layers[0].attention.project_out.weight.zero_()
    truth = draw(3, 7, 3, seed=5, dtype=torch.float64)
    window = window_of(model.sizes, future_target=truth)
    before = model.learn(window).forecast

    def moves(**changes) -> list[int]:
        after = model.learn(Window(**(vars(window) | changes))).forecast
        return [step for step in range(7) if not torch.equal(after[:, step], before[:, step])]

    def bumped(x: torch.Tensor, step: int) -> torch.Tensor:
        x = x.clone()
        x[:, step] += 1
        return x

    assert moves(target=bumped(window.target, -1)) == [0]
    assert moves(past=bumped(window.past, -1)) == [0]
    assert moves(historic_future=bumped(window.historic_future, -1)) == []
    for step in range(7):
        assert moves(future=bumped(window.future, step)) == [step]
        assert moves(future_target=bumped(truth, step)) == ([step + 1] if step < 6 else [])


def test_past_covariates_count_as_not_observed_where_the_forecast_reads_on():
    model = network(n_decoder_layers=1, kernel_size=1)
    with torch.no_grad():
        model.layers[0].attention.project_out.weight.zero_()
    window = window_of(model.sizes, future_target=draw(3, 7, 3, seed=5, dtype=torch.float64))
    before = model.learn(window).forecast
    with torch.no_grad():
        model.rows.unknown_past[0] += 1
    after = model.learn(window).forecast
    assert torch.equal(before[:, 0], after[:, 0])
    assert ((before[:, 1:] - after[:, 1:]).abs().amax(dim=(0, 2, 3)) > 1e-6).all()


def test_every_step_of_the_look_back_reaches_every_step_of_the_horizon():
    model = network(sizes(17, 7), n_decoder_layers=6, kernel_size=1)
    target = draw(1, 17, 3, dtype=torch.float64).requires_grad_()
    window = window_of(sizes(17, 7))
    first = {name: None if x is None else x[:1] for name, x in vars(window).items()}
    truth = draw(1, 7, 3, seed=5, dtype=torch.float64)
    out = model.learn(Window(**(first | {"target": target, "future_target": truth}))).forecast
    for step in range(7):
        (reach,) = torch.autograd.grad(out[:, step].sum(), target, retain_graph=True)
        assert (reach.abs().amax(dim=(0, 2)) > 0).all()


def test_a_forecast_carries_no_gradient_and_training_does():
    model = network()
    window = window_of(model.sizes)
    assert not model(window).requires_grad
    assert taught(model, window, draw(3, 7, 3, dtype=torch.float64)).requires_grad


def test_the_input_is_not_written_to():
    model = network()
    window = window_of(model.sizes)
    copies = {name: x.clone() for name, x in vars(window).items() if x is not None}
    model(window)
    assert all(torch.equal(copy, getattr(window, name)) for name, copy in copies.items())


def test_two_forecasts_share_nothing():
    model = network()
    windows = [make_window(model.sizes, seed=seed, dtype=torch.float64) for seed in (0, 1)]
    first = model(windows[0])
    model(windows[1])
    assert torch.equal(model(windows[0]), first)


def test_direct_gives_the_horizon_in_one_pass():
    model = network(mode="direct")
    calls = []
    for layer in model.layers:
        layer.register_forward_hook(lambda *_: calls.append(1))
    window = window_of(model.sizes)
    out = model(window)
    assert out.shape == (3, 7, 3, 1)
    assert out.requires_grad
    assert len(calls) == 2
    assert torch.equal(taught(model, window, draw(3, 7, 3, dtype=torch.float64)), out)


def test_direct_looks_both_ways():
    model = network(mode="direct", n_decoder_layers=1, kernel_size=1)
    known = model.rows.known(window_of(model.sizes), None)
    values = draw(3, 17, 3, dtype=torch.float64)
    moved = values.clone()
    moved[:, -1] += 1
    before, after = model._read(known, values), model._read(known, moved)
    assert not torch.equal(before[:, 0], after[:, 0])


def test_direct_takes_a_mechanism_that_is_not_strictly_causal():
    assert network(mode="direct", attention="prob_sparse")(window_of(sizes())).shape == (3, 7, 3, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "recursive"}, "mode='recursive' must be one of ['autoregressive', 'direct']"),
        ({"kernel_size": 0}, "kernel_size=0 must be an integer of at least 1"),
        ({"d_ff": 0}, "d_ff=0 must be an integer of at least 1"),
        ({"n_decoder_layers": 0}, "n_decoder_layers=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"n_heads": 4}, "n_heads=4 must divide d_model=6"),
        (
            {"attention": "prob_sparse"},
            "attention='prob_sparse' is causal in what it attends to but not in its choice of queries, which compares "
            "all rows; it cannot serve a layer that forecasts row by row",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        LogSparseTransformer(sizes(), **(TINY | arguments))
