"""What stands on the pictures; how they look has to be looked at."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import rc_context
from matplotlib.image import imread

from darts_tsformers.explain import Explanation
from darts_tsformers.explain.labelled import Labels
from darts_tsformers.explain.windows import Origin
from darts_tsformers.layers.decomposition.moving_average import MixtureDecomposition
from darts_tsformers.layers.frequency.fourier import FourierAttention
from darts_tsformers.layers.frequency.wavelet import MultiwaveletBlock
from darts_tsformers.recording.layout import Layout, VariableAxis, look_back, patches
from darts_tsformers.window import Sizes
from tests.explain.test_findings import (
    ORIGINS,
    SIZES,
    Recorder,
    delays,
    explanation,
    impulse_responses,
    memories,
    prototypes,
    routes,
    stages,
)
from tests.helpers import exactly


def drawn(figure) -> list[str]:
    """Draw, and return all words that can be seen."""
    figure.savefig(io.BytesIO(), format="png")
    texts = [figure._suptitle.get_text()]
    for axes in figure.axes:
        labels = [label for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()]
        texts += [t.get_text() for t in [*labels, axes.title, axes.xaxis.label, axes.yaxis.label]]
    for legend in figure.legends:
        texts += [t.get_text() for t in legend.get_texts()]
    return texts


def over_variables(n: int, n_windows: int = 2) -> Explanation:
    sizes = Sizes(8, 2, n_targets=n)
    network = Recorder(sizes, {"layer": Layout((VariableAxis(("target",)),) * 2)})
    origins = [Origin(0, 10 + i, 1) for i in range(n_windows)]
    weights = np.random.default_rng(0).random((n_windows, 2, n, n)).astype(np.float32)
    weights[..., n // 2] += 3
    weights /= weights.sum(-1, keepdims=True)
    labels = Labels(network, origins, {"target": [f"component number {i}" for i in range(n)]})
    part = labels.dataset("attention", "layer", network.layer, {"weights": weights})
    return Explanation("ToyModel", {"attention": {"layer": part}}, origins, [])


def over_time(length: int, n_windows: int) -> Explanation:
    sizes = Sizes(length, 2)
    network = Recorder(sizes, {"layer": Layout((look_back(sizes),) * 2)})
    origins = [
        Origin(0, pd.Timestamp("2021-03-01") + pd.Timedelta(hours=i), pd.offsets.Hour()) for i in range(n_windows)
    ]
    lag = np.arange(length)[:, None] - np.arange(length)
    weights = np.exp(2 * np.cos(2 * np.pi * lag / 24)).astype(np.float32)
    weights = np.broadcast_to(weights / weights.sum(-1, keepdims=True), (n_windows, 1, length, length))
    part = Labels(network, origins, {}).dataset("attention", "layer", network.layer, {"weights": weights})
    return Explanation("ToyModel", {"attention": {"layer": part}}, origins, [])


@pytest.mark.parametrize("n", [7, 300])
def test_variables_have_their_names_and_no_more_than_can_be_read(n):
    e = over_variables(n)
    for kind in ("attention", "importance"):
        texts = drawn(e.plot(kind))
        named = {text for text in texts if text.startswith("component")}
        assert f"component number {n // 2}" in named
        assert len(named) == min(n, 30)
    assert ("the 30 most attended of 300 variables" in drawn(e.plot())[0]) == (n == 300)
    assert len({text for text in drawn(e.plot("importance", top=5)) if text.startswith("component")}) == 5


def test_one_window_has_time_stamps_and_several_have_offsets():
    one = drawn(over_time(720, 1).plot())
    assert "2021-02-28 00:00" not in one
    assert {"01-30 01:00", "03-01 00:00"} <= set(one)
    assert sum(text[:1].isdigit() and ":" in text for text in one) <= 2 * 9
    several = drawn(over_time(48, 3).plot())
    assert {"-47", "0", "attended to, steps from the last one seen"} <= set(several)
    chosen = drawn(over_time(48, 3).plot(window=2))
    assert "03-01 02:00" in chosen
    assert "window 2021-03-01 02:00" in chosen[0]


def test_the_lags_show_the_period():
    texts = drawn(over_time(96, 2).plot("lags"))
    assert any(text.startswith("period 24 h, explains") for text in texts)
    assert "lag in steps (one step: 1 h)" in texts


def test_delays_are_drawn_as_lags():
    assert any("most weight: 24 h" in text for text in drawn(delays().plot()))


def by_length(kind: str, module, weights, **also) -> Explanation:
    labels = Labels(Recorder(SIZES, {"layer": Layout((look_back(SIZES),))}), ORIGINS, {})
    parts = {
        name: {"layer": labels.dataset(name, "layer", module, arrays)}
        for name, arrays in ({kind: {"correlation" if kind == "correlation" else "weights": weights}} | also).items()
    }
    return Explanation("ToyModel", parts, ORIGINS, [])


def test_averages_are_bars_with_their_lengths():
    weights = np.tile(np.float32([0.7, 0.25, 0.05]), (3, 12, 1))
    e = by_length("experts", MixtureDecomposition((3, 24, 168)), weights)
    texts = drawn(e.plot())
    assert {"3 h", "24 h", "7 days", "layer", "mean weight, by the length of the average"} <= set(texts)
    shown = [text.get_text() for text in e.plot("experts", layer="layer").axes[0].texts]
    assert shown == ["70%", "25%", ""]


def test_gates_are_a_line_over_time_for_each_layer():
    axis = patches(SIZES.input_length, 3, 4, 4)
    layout = Layout((axis,), per_component=True)
    labels = Labels(Recorder(SIZES, {"layer": layout, "second": layout}), ORIGINS, {"target": ["a", "b"]})
    shares = {"layer": np.float32([[0.2, 0.2, 0.6], [0.2, 0.4, 0.4]]), "second": np.full((2, 3), 1 / 3, np.float32)}
    gates = {
        name: labels.dataset("gates", name, torch.nn.Identity(), {"weights": np.tile(weights, (3, 1, 1))})
        for name, weights in shares.items()
    }
    e = Explanation("ToyModel", {"gates": gates}, ORIGINS, [])
    first, second, alike = e.plot().axes[0].lines
    assert first.get_xdata() == pytest.approx([-9.5, -5.5, -1.5])
    assert first.get_ydata() == pytest.approx([0.2, 0.3, 0.5])
    assert second.get_ydata() == pytest.approx([1 / 3] * 3)
    assert alike.get_ydata() == pytest.approx([1 / 3] * 2)
    assert {"layer", "second", "all alike", "share of what is let in"} <= set(drawn(e.plot()))
    assert "second" not in drawn(e.plot("gates", layer="layer"))
    assert "- layer lets in most at steps -3 to 0: 50%; alike, each of 3 would have 33%." in e.summary().splitlines()
    assert len(e.to_frame("gates", layer="layer")) == 3 * 2 * 3


def test_levels_are_bars_with_the_length_of_their_pieces():
    block = MultiwaveletBlock(4, 16, n_coarse_levels=1)
    module = Labels(Recorder(SIZES, {}), ORIGINS, {})
    part = module.dataset("levels", "layer", block, {"weight": np.tile(np.float32([0.5, 0, 0.1, 0.4]), (3, 1))})
    e = Explanation("ToyModel", {"levels": {"layer": part}}, ORIGINS, [])
    assert {"2 h", "4 h", "8 h", "8 h or longer"} <= set(drawn(e.plot()))
    assert e.to_frame("levels", window=0)["weight"].tolist() == pytest.approx([0.5, 0, 0.1, 0.4])


def test_modes_that_attend_to_each_other_have_their_periods_and_no_more_than_can_be_read():
    module = FourierAttention(4, 2, 720, 720, n_modes=64, mode_select="lowest")
    weights = np.random.default_rng(0).random((3, 2, 64, 64)).astype(np.float32)
    e = by_length("mode_attention", module, weights)
    texts = drawn(e.plot())
    assert {"mean", "from, by period", "attended to, by period"} <= set(texts)
    assert sum(text.endswith((" h", " days")) for text in texts) == 2 * 15
    assert "head 2, window 2021-03-01 01:00" in drawn(e.plot("mode_attention", head=2, window=1))[0]
    for options, message in (({"head": 3}, "head=3 must be from 1 to 2"), ({"window": 3}, "window=3 must be from")):
        with pytest.raises(ValueError, match=message):
            e.plot("mode_attention", **options)


def test_a_correlation_is_a_curve_with_the_chosen_delays_on_it():
    curve = np.tile(np.cos(2 * np.pi * np.arange(48) / 24).astype(np.float32), (3, 1))
    chosen = {"period": np.tile(np.float32([24, 0]), (3, 1)), "weight": np.tile(np.float32([0.75, 0.25]), (3, 1))}
    alone = by_length("correlation", MixtureDecomposition((3,)), curve)
    figure = by_length("correlation", MixtureDecomposition((3,)), curve, delays=chosen).plot("lags", layer="layer")
    assert "chosen delays, larger for more weight" in drawn(figure)
    assert "chosen delays, larger for more weight" not in drawn(alone.plot())
    (points,) = figure.axes[0].collections
    np.testing.assert_allclose(points.get_offsets(), [[0, 1], [24, 1]], atol=1e-6)
    assert points.get_sizes()[1] > points.get_sizes()[0]


def test_a_decomposition_has_its_parts():
    e = explanation([("trend", "", {"trend": torch.zeros(3, 4, 2, 1)})])
    texts = drawn(e.plot(component="price", window=1))
    assert {"forecast", "trend", "price"} <= set(texts)
    assert "2021-03-01 01:00" in texts[0]
    with pytest.raises(ValueError, match="component='cost' must be one of"):
        e.plot("decomposition", component="cost")


def test_stages_are_drawn_one_under_the_other():
    figure = stages().plot(component="price", window=1)
    texts = drawn(figure)
    assert {"forecast", "level of what was read", "price", "stage 1", "stage 2"} <= set(texts)
    assert "2021-03-01 01:00" in texts[0]
    whole, level = (line.get_ydata()[0] for line in figure.axes[0].lines)
    assert (whole, level) == (70, 50)
    assert [axes.lines[1].get_ydata()[0] for axes in figure.axes[1:]] == [30, -10]


def test_routes_are_bars_with_the_share_of_each_expert():
    figure = routes().plot()
    assert {"expert 1", "expert 2", "expert 3", "layer", "share of the routes of all tokens"} <= set(drawn(figure))
    assert [text.get_text() for text in figure.axes[0].texts] == ["63%", "", "37%"]


def test_prototypes_are_bars_the_largest_on_top():
    figure = prototypes().plot(top=2)
    words = drawn(figure)
    assert words[0].startswith("ToyModel: prototypes attended to by layer (the first 2 of 3)\nmean over 3 windows")
    assert {"1: up, rise", "3: down, fall", "share of the attention; dashed: all prototypes alike"} <= set(words)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.625, 0.25]
    with pytest.raises(ValueError, match=exactly("top=0 must be an integer of at least 1")):
        prototypes().plot(top=0)


def test_a_memory_is_drawn_beside_what_was_written():
    e = memories()
    figure = e.plot("memory", window=1, component="price", memory=2)
    words = drawn(figure)
    assert words[0] == "ToyModel: layer\nwindow 2021-03-01 01:00, price"
    assert {"written", "held after the last step", "memory 2"} <= set(words)
    (axes,) = figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[4, 0, 2], [2, 2, 2]]
    assert drawn(e.plot())[0] == "ToyModel: layer\nwindow 2021-03-01, load"
    with pytest.raises(ValueError, match=exactly("memory=3 must be from 1 to 2")):
        e.plot("memory", memory=3)
    with pytest.raises(ValueError, match=exactly("component='wind' must be one of ['load', 'price']")):
        e.plot("memory", component="wind")


def test_impulse_responses_are_drawn_the_largest_first():
    e = impulse_responses()
    figure = e.plot("responses", layer="layer", top=1)
    words = drawn(figure)
    assert words[0] == "ToyModel: layer\nimpulse responses, the largest of 2"
    assert "steps since the pulse (one step: 1 h)" in words
    (axes,) = figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines[1:]] == [[2, 0, 0, 0, 0]]
    assert len(e.plot(layer="layer").axes[0].lines) == 3


def test_a_notebook_shows_a_picture_without_pyplot():
    figure = over_variables(4).plot()
    height, width, _ = imread(io.BytesIO(figure._repr_png_())).shape
    assert (width, height) == tuple((figure.get_size_inches() * figure.dpi).astype(int))


@pytest.mark.parametrize("kind", ["attention", "mode_attention"])
def test_no_grid_of_the_style_lies_over_a_heat_map(kind):
    weights = np.ones((3, 2, 5, 5), np.float32)
    modes = by_length("mode_attention", FourierAttention(4, 2, 20, 20, n_modes=5, mode_select="lowest"), weights)
    e = over_variables(4) if kind == "attention" else modes
    with rc_context({"axes.grid": True}):
        figure = e.plot(kind)
    drawn(figure)
    for axes in figure.axes:
        assert not any(line.get_visible() for line in [*axes.get_xgridlines(), *axes.get_ygridlines()])


def test_lags_of_delays_have_no_heads():
    with pytest.raises(ValueError, match="head=2 needs attention maps: 'layer' has its lags or periods for all heads"):
        delays().plot("lags", head=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "x"}, r"layer='x' must be one of \['layer'\]"),
        ({"head": 3}, "head=3 must be from 1 to 2"),
        ({"window": 2}, "window=2 must be from 0 to 1"),
        ({"component": "a"}, r"component='a' must be one of \[\]"),
        ({"top": 0}, "top=0 must be an integer of at least 1"),
        ({"heads": 1}, r"heads=1 is no option of plot\('attention'\)"),
    ],
)
def test_options_that_do_not_exist(options, message):
    with pytest.raises(ValueError, match=message):
        over_variables(4).plot("attention", **options)


def test_lags_of_variables_do_not_exist():
    with pytest.raises(
        ValueError, match="kind='lags' needs tokens that stand for time; those of layer='layer' stand for"
    ):
        over_variables(4).plot("lags")
