import pytest
import torch

from darts_tsformers.attention import AutoCorrelation, FullAttention
from darts_tsformers.networks import Autoformer
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import draw, exactly, make_window, scatter_

TINY = {"d_model": 6, "n_heads": 3, "d_ff": 11, "kernel_size": 5, "dropout": 0.0}


def sizes(input_length: int = 17, output_length: int = 7, **changes: int) -> Sizes:
    return Sizes(input_length, output_length, **({"n_targets": 3} | changes))


def network(problem: Sizes | None = None, **arguments) -> Autoformer:
    return scatter_(Autoformer(problem or sizes(), **(TINY | arguments))).double().eval()


def window_of(problem: Sizes) -> Window:
    return make_window(problem, dtype=torch.float64)


def changed(window: Window, **changes: torch.Tensor) -> Window:
    return Window(**(vars(window) | changes))


def moving_average(x: torch.Tensor, k: int = 5) -> torch.Tensor:
    """Mean of the two steps before, the step and the two behind, the ends repeated."""
    n = x.shape[1]
    rows = [[min(max(t + i, 0), n - 1) for i in range(-(k // 2), k // 2 + 1)] for t in range(n)]
    return torch.stack([x[:, row].mean(dim=1) for row in rows], dim=1)


def test_the_decoder_starts_from_the_decomposed_label():
    model = network(label_length=4)
    target = window_of(sizes()).target
    seasonal, trend = model.body._start(target)
    average = moving_average(target)
    torch.testing.assert_close(seasonal[:, :4], (target - average)[:, -4:])
    assert (seasonal[:, 4:] == 0).all()
    torch.testing.assert_close(trend[:, :4, :, 0], average[:, -4:])
    torch.testing.assert_close(trend[:, 4:, :, 0], target.mean(dim=1, keepdim=True).expand(-1, 7, -1))


def test_an_untrained_head_gives_the_trend_and_the_mean_is_where_it_starts():
    model = network()
    with torch.no_grad():
        model.body.head.weight.zero_()
        model.body.head.bias.zero_()
        for layer in model.body.decoder_layers:
            layer.trend.linear.weight.zero_()
    target = window_of(sizes()).target
    expected = target.mean(dim=1, keepdim=True)[..., None].expand(-1, 7, -1, 1)
    torch.testing.assert_close(model(Window(target)), expected)


@pytest.mark.parametrize("attention", [("auto_correlation", {"factor": 3}), "prob_sparse"])
def test_a_long_horizon_of_which_nothing_is_known_does_not_hang_on_rounding(attention):
    problem = sizes(24, 72)
    model, window = network(problem, attention=attention), window_of(problem)
    double = model(Window(window.target))
    single = model.float()(Window(window.target.float()))
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-3 * double.std().item())


def test_equals_its_definition():
    """Written out for one layer each, exact attention and no covariates."""
    model = network(sizes(), attention="full", n_encoder_layers=1, label_length=5, activation="relu")
    body, target = model.body, window_of(sizes()).target

    def seasonal(x):
        return x - moving_average(x)

    def normalised(norm, x):
        out = torch.nn.functional.layer_norm(x, (6,), norm.norm.weight, norm.norm.bias)
        return out - out.mean(dim=1, keepdim=True)

    def feed_forward(layer, x):
        first, last = [part for part in layer.feed_forward if hasattr(part, "weight")]
        assert first.bias is None
        assert last.bias is None
        return (x @ first.weight.T).relu() @ last.weight.T

    memory = body.encoder_embedding.values(target)
    layer = body.encoder_layers[0]
    memory = seasonal(memory + layer.attention(memory)[0])
    memory = normalised(body.encoder_norm, seasonal(memory + feed_forward(layer, memory)))

    start, trend = body._start(target)
    x, trends, layer = body.decoder_embedding.values(start), [], body.decoder_layers[0]
    for step in (
        lambda x: x + layer.self_attention(x)[0],
        lambda x: x + layer.cross_attention(x, memory)[0],
        lambda x: x + feed_forward(layer, x),
    ):
        x = step(x)
        trends.append(moving_average(x))
        x = x - trends[-1]
    trend = trend[..., 0] + layer.trend(sum(trends))
    expected = trend + body.head(normalised(body.decoder_norm, x))
    torch.testing.assert_close(model(Window(target))[..., 0], expected[:, 5:])


def test_tokens_have_no_position_and_delays_need_none():
    """A window and the same window turned round by a step have memories turned round by a step."""
    model = network(padding_mode="circular", kernel_size=1)
    target = window_of(sizes()).target
    with torch.no_grad():
        first = model.body.encoder_embedding(target, None, None, None)
        turned = model.body.encoder_embedding(target.roll(1, dims=1), None, None, None)
    torch.testing.assert_close(turned, first.roll(1, dims=1))


@pytest.mark.parametrize("kinds", [("past",), ("future",), ("static",), ("past", "future", "static")])
def test_covariates_act(kinds):
    problem = sizes(**{f"n_{kind}": 2 for kind in kinds}, n_static_rows=3)
    model, window = network(problem), window_of(problem)
    plain = model(window)
    for kind in kinds:
        moved = changed(window, **{kind: getattr(window, kind) + 1 + getattr(window, kind) ** 2})
        assert (model(moved) - plain).abs().max() > 1e-6


def test_past_covariates_have_no_part_in_the_decomposition():
    problem = sizes(n_past=2)
    model, window = network(problem), window_of(problem)
    starts = [model.body._start(w.target) for w in (window, changed(window, past=window.past + 9))]
    assert torch.equal(starts[0][0], starts[1][0])
    assert torch.equal(starts[0][1], starts[1][1])


@pytest.mark.parametrize(("n_parameters", "n_levels"), [(2, 1), (3, 3)])
def test_only_levels_start_from_the_trend(n_parameters, n_levels):
    problem = sizes(n_parameters=n_parameters, n_levels=n_levels)
    model = network(problem)
    target = window_of(problem).target
    _, trend = model.body._start(target)
    for q in range(n_parameters):
        if q < n_levels:
            assert torch.equal(trend[..., q], trend[..., 0])
        else:
            assert (trend[..., q] == 0).all()
    assert (trend[..., 0] != 0).all()


def test_trend_and_the_rest_add_up():
    problem = sizes(n_parameters=2)
    model, window = network(problem), window_of(problem)
    with recording("trend") as record:
        out = model(window)
    ((_, tensors),) = record["trend"]
    trend = tensors["trend"]
    assert trend.shape == out.shape == (3, 7, 3, 2)
    with torch.no_grad():
        model.body.head.weight.zero_()
        model.body.head.bias.zero_()
    torch.testing.assert_close(model(window), trend)


def test_attention_is_that_asked_for():
    model = network(attention="log_sparse", n_decoder_layers=2)
    assert type(network().body.decoder_layers[0].cross_attention.mechanism) is AutoCorrelation
    assert type(model.body.decoder_layers[1].cross_attention.mechanism) is FullAttention
    assert not any(module.causal for module in model.modules() if hasattr(module, "causal"))


def test_layers_share_nothing():
    model = Autoformer(sizes(n_past=2, n_future=2, n_static=1), **TINY, n_encoder_layers=2, n_decoder_layers=2)
    assert len({p.data_ptr() for p in model.parameters()}) == len(list(model.parameters()))


@pytest.mark.parametrize("length", [1, 2, 3, 16, 29])
def test_any_length(length):
    problem = sizes(length, 3)
    assert network(problem)(window_of(problem)).isfinite().all()


def test_an_output_does_not_depend_on_its_batch_mates_in_training_either():
    model, window = network().train(), window_of(sizes())
    alone = model(Window(window.target[:1]))
    torch.testing.assert_close(model(window)[:1], alone)


def test_gradients_equal_finite_differences():
    model = network(sizes(7, 3, n_targets=1), d_model=4, n_heads=2, attention="full", activation="silu")
    assert torch.autograd.gradcheck(lambda x: model(Window(x)), draw(1, 7, 1, dtype=torch.float64).requires_grad_())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_length": 18}, "label_length=18 must be at most input_chunk_length=17"),
        ({"label_length": 0}, "label_length=0 must be an integer of at least 1"),
        ({"kernel_size": 0}, "kernel_size=0 must be an integer of at least 1"),
        ({"n_decoder_layers": 0}, "n_decoder_layers=0 must be an integer of at least 1"),
        ({"n_heads": 4}, "n_heads=4 must divide d_model=6"),
        ({"dropout": -0.1}, "dropout=-0.1 must be in [0, 1)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        Autoformer(sizes(), **(TINY | arguments))
