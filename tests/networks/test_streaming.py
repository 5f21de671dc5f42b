from itertools import pairwise

import pytest
import torch

from darts_tsformers.networks import Forecaster, ITransformer, LogSparseTransformer
from darts_tsformers.networks._streaming import require_norm, streams
from darts_tsformers.networks._streaming_forecaster import StreamingForecaster, build_forecaster
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.adapter.fading import Fading
from tests.helpers import draw, exactly, make_window, rows, scatter_, watch_sizes
from tests.networks.test_log_sparse import every_mechanism, read_on_by_definition, sizes
from tests.networks.test_log_sparse import network as of_windows

STARTS = torch.tensor([0, 5, 16])  # in three look-backs of 17 steps


def network(problem: Sizes | None = None, **arguments) -> LogSparseTransformer:
    return of_windows(problem, positions="history", **arguments)


def cut(window: Window, first: int, last: int | None = None) -> Window:
    """Take some steps of the past."""
    parts = {name: getattr(window, name) for name in ("target", "past", "historic_future")}
    past = {name: None if x is None else x[:, first:last] for name, x in parts.items()}
    return Window(**(vars(window) | past | {"start": None}))


def started(window: Window, start: torch.Tensor = STARTS) -> Window:
    return Window(**(vars(window) | {"start": start}))


def forecast(model, state, window: Window) -> torch.Tensor:
    return model.ahead(state, window.future, window.static)


def window_of(problem: Sizes) -> Window:
    return make_window(problem, dtype=torch.float64)


@every_mechanism
@pytest.mark.parametrize("kernel_size", [1, 2, 6, 40])
def test_histories_of_different_lengths_are_each_as_they_are_alone(attention, kernel_size):
    model = network(sizes(n_static=2, n_static_rows=3), attention=attention, kernel_size=kernel_size)
    window = window_of(model.sizes)
    together = model(started(window))
    for i, start in enumerate(STARTS.tolist()):
        alone = cut(rows(window, slice(i, i + 1)), start)
        torch.testing.assert_close(together[i : i + 1], forecast(model, model.begin(alone), alone))


def test_what_stands_before_a_history_has_no_effect():
    model = network()
    window = started(window_of(model.sizes))
    before = model(window)
    for name in ("target", "past", "historic_future"):
        x = getattr(window, name).clone()
        for i, start in enumerate(STARTS.tolist()):
            x[i, :start] = torch.nan
        window = Window(**(vars(window) | {name: x}))
    assert torch.equal(model(window), before)


@every_mechanism
@pytest.mark.parametrize("start", [None, STARTS % 4], ids=["together", "apart"])
def test_a_history_may_come_row_by_row(attention, start):
    model = network(attention=attention)
    window = window_of(model.sizes)
    for length in (4, 9, 16):
        state = model.begin(Window(**(vars(cut(window, 0, length)) | {"start": start})))
        for i in range(length, 17):
            state = model.advance(state, cut(window, i, i + 1))
        torch.testing.assert_close(forecast(model, state, window), model(started(window, start)))


@every_mechanism
def test_a_forecast_reads_on_as_training_does(attention):
    model = network(attention=attention)
    window = started(window_of(model.sizes))

    def feed(parameters):
        return parameters[..., 0] - 0.3

    torch.testing.assert_close(model(window, feed), read_on_by_definition(model, window, feed), rtol=1e-9, atol=1e-9)


def test_where_nothing_is_filled_up_positions_of_a_history_are_those_of_the_window():
    model = network()
    window = window_of(model.sizes)
    other = of_windows(model.sizes)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(window), other(window))
    assert streams(model)
    assert not streams(other)
    assert not streams(network(mode="direct"))


def test_a_forecast_leaves_a_state_as_it_was():
    model = network()
    window = window_of(model.sizes)
    state = model.begin(cut(window, 0, 11))
    before = forecast(model, state, window)
    assert torch.equal(forecast(model, state, window), before)
    state = model.advance(state, cut(window, 11, 12))
    other = model.advance(model.begin(cut(window, 0, 11)), cut(window, 11, 12))
    assert torch.equal(forecast(model, state, window), forecast(model, other, window))


@pytest.mark.parametrize(("lookback", "n"), [(1, 5), (2, 7), (17, 41)])
@pytest.mark.parametrize("start", [None, torch.tensor([0, 3, 10])], ids=["together", "apart"])
def test_longer_histories_are_those_of_recent_rows(lookback, n, start):
    model = network(sizes(lookback, 2))
    window = make_window(sizes(n, 2), dtype=torch.float64)
    n_rows = min(lookback, 11)
    start = None if start is None else start % n_rows
    state = model.begin(started(cut(window, 0, n_rows), start))
    for i in range(n_rows, n):
        state = model.advance(state, cut(window, i, i + 1))
        n_rows = n_rows + 1 if n_rows < lookback else max(1, lookback // 2)
        left_out = i + 1 - n_rows
        begins = None if start is None else (start - left_out).clamp_min(0)
        anew = model.begin(started(cut(window, left_out, i + 1), begins))
        torch.testing.assert_close(forecast(model, state, window), forecast(model, anew, window))


def elements_of_a_row(lookback: int) -> int:
    """Count what tensors hold that one row and one forecast make."""
    model = scatter_(LogSparseTransformer(sizes(lookback), positions="history")).eval()
    window = make_window(sizes(lookback), batch=1)
    state = model.begin(cut(window, 0, lookback - 1))
    with watch_sizes() as seen:
        state = model.advance(state, cut(window, lookback - 1, lookback))
        forecast(model, state, window)
    return sum(seen)


def test_a_row_costs_the_logarithm_of_the_look_back():
    counts = [elements_of_a_row(lookback) for lookback in (65, 129, 257, 513, 1025)]
    steps = [late - early for early, late in pairwise(counts)]
    assert max(steps) <= 1.1 * min(steps)  # the same for each doubling
    assert counts[-1] < 1.5 * counts[0]


def test_attention_is_recorded_where_its_rows_were():
    model = network(kernel_size=3)
    window = window_of(model.sizes)
    path = model.layers[1].attention

    def recorded(one: Window, state=None) -> torch.Tensor:
        with recording("attention") as record:
            model(one) if state is None else forecast(model, model.begin(one), one)
        return torch.cat([e.tensors["weights"] for e in record["attention"] if e.module is path], dim=2)

    together = recorded(started(window))
    assert together.shape == (3, 3, 23, 23)
    for i, start in enumerate(STARTS.tolist()):
        alone = recorded(started(rows(window, slice(i, i + 1)), STARTS[i : i + 1]))
        torch.testing.assert_close(together[i : i + 1, :, start:], alone[:, :, start:])
        own = recorded(cut(rows(window, slice(i, i + 1)), start), state=True)
        n = own.shape[2]
        torch.testing.assert_close(alone[:, :, start:, start:], own[:, :, :, :n])
        assert (alone[:, :, start:, :start] == 0).all()


def filled(window: Window, share: float = 0.3) -> Window:
    """Hide values of the past, and rows before each history."""
    parts = {}
    for k, name in enumerate(("target", "past", "historic_future")):
        x = getattr(window, name).clone()
        x[draw(*x.shape, seed=50 + k) > torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(1 - share))] = torch.nan
        parts[name] = x
    for i, start in enumerate(STARTS.tolist()):
        parts["target"][i, :start] = torch.nan
        parts["target"][i, start, 0] = 1.0
    return Window(**(vars(window) | parts))


@pytest.mark.parametrize("reads_covariates", [True, False], ids=["covariates inside", "covariates outside"])
@pytest.mark.parametrize("normalise", [True, False])
def test_the_shared_path_is_the_same_row_by_row(reads_covariates, normalise):
    problem = sizes(n_static=2, n_static_rows=3)
    made = Fading(problem, reads_covariates=reads_covariates)
    forecaster = scatter_(StreamingForecaster(made, normalise=normalise)).double().eval()
    window = filled(window_of(problem))
    whole = forecaster(window)
    for i, start in enumerate(STARTS.tolist()):
        own = rows(window, slice(i, i + 1))
        for first in range(start + 1, 18):
            followed = forecaster.begin(cut(own, start, first))
            for j in range(first, 17):
                followed = forecaster.advance(followed, cut(own, j, j + 1))
            torch.testing.assert_close(forecaster.ahead(followed, window.future[i : i + 1]), whole[i : i + 1])


def test_the_shared_path_does_not_see_a_later_row():
    problem = sizes()
    forecaster = scatter_(StreamingForecaster(Fading(problem))).double().eval()
    window = filled(window_of(problem))
    seen, _ = forecaster._seen(window)
    for t in range(1, 17):
        parts = {name: getattr(window, name).clone() for name in ("target", "past", "historic_future")}
        for x in parts.values():
            x[:, t:] = x[:, t:].flip(1) + 1
        moved, _ = forecaster._seen(Window(**(vars(window) | parts)))
        for name, was in {name: getattr(seen, name) for name in parts}.items():
            begun = t > STARTS  # where a history begins later, its beginning may have moved
            assert torch.equal(getattr(moved, name)[begun, :t], was[begun, :t])


def test_long_histories_count_as_much_as_the_look_back():
    problem = sizes(5, n_past=1, n_future=0)
    forecaster = scatter_(StreamingForecaster(Fading(problem, reads_covariates=False))).double().eval()
    window = make_window(sizes(400, n_past=1, n_future=0), batch=1, dtype=torch.float64)
    followed = forecaster.begin(cut(window, 0, 5))
    for i in range(5, 400):
        followed = forecaster.advance(followed, cut(window, i, i + 1))
    assert followed.memory.n_rows.item() == 5
    assert followed.memory.seen.count.max().item() == 5
    for i in range(100):
        row = cut(window, i, i + 1)
        moved = Window(**(vars(row) | {"target": row.target + 1000, "past": row.past + 1000}))
        followed = forecaster.advance(followed, moved)
    assert (followed.memory.seen.first + followed.memory.seen.mean).min() > 990
    assert followed.memory.level.min() > 990


def test_only_what_can_be_streamed_takes_the_path_that_streams():
    problem = sizes()
    shared = {"restore_rules": ("location",)}
    for norm, of_class in {"running": StreamingForecaster, False: StreamingForecaster, True: Forecaster}.items():
        assert type(build_forecaster(Fading(problem), use_instance_norm=norm, **shared)) is of_class
    assert type(build_forecaster(ITransformer(problem), use_instance_norm=False, **shared)) is Forecaster
    assert type(build_forecaster(of_windows(problem), use_instance_norm=False, **shared)) is Forecaster
    with pytest.raises(ValueError, match=exactly("network=ITransformer must be one that streams")):
        StreamingForecaster(ITransformer(problem))


@pytest.mark.parametrize(
    ("norm", "made", "message"),
    [
        ("whole", Fading, "use_instance_norm='whole' must be True, False, 'magnitude' or 'running'"),
        (1, Fading, "use_instance_norm=1 must be True, False, 'magnitude' or 'running'"),
        ("whole", ITransformer, "use_instance_norm='whole' must be True, False or 'magnitude'"),
        ("running", ITransformer, "use_instance_norm='running' needs a network that streams; ITransformer cannot"),
        (
            "running",
            LogSparseTransformer,
            "use_instance_norm='running' needs a network that streams; LogSparseTransformer does when it is trained "
            "with mode='autoregressive', positions='history'",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_a_norm_that_cannot_be_had_is_refused(norm, made, message):
    with pytest.raises(ValueError, match=exactly(message)):
        require_norm(norm, made(sizes()))


def test_the_whole_window_may_normalise_short_histories_as_well():
    forecaster = scatter_(Forecaster(network())).double().eval()
    window = filled(window_of(forecaster.network.sizes), share=1e-6)
    together = forecaster(window)
    assert together.isfinite().all()
    moved = {name: getattr(window, name).clone() for name in ("past", "historic_future")}
    for x in moved.values():
        for i, start in enumerate(STARTS.tolist()):
            x[i, :start] += 5
    torch.testing.assert_close(forecaster(Window(**(vars(window) | moved))), together)
