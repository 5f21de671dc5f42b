"""Figures and words of explanations made by hand, also of kinds that no model of this package records yet."""

import numpy as np
import pandas as pd
import pytest
import torch
from darts.utils.data.torch_datasets.utils import PLModuleInput, PLModuleOutput
from torch import nn

from darts_tsformers.attention import FullAttention, LogSparseAttention
from darts_tsformers.explain import Explanation, findings
from darts_tsformers.explain.capture import Capture, windows_of_passes
from darts_tsformers.explain.labelled import Labels, common_names
from darts_tsformers.explain.plots import PICTURES
from darts_tsformers.explain.prototypes import prototype_shares
from darts_tsformers.explain.routes import expert_shares, prompt_shares
from darts_tsformers.explain.stages import contributions, stage_shares
from darts_tsformers.explain.windows import Origin
from darts_tsformers.networks import Forecaster, Network
from darts_tsformers.recording import record
from darts_tsformers.recording.layout import (
    Layout,
    NamedAxis,
    TimeAxis,
    VariableAxis,
    horizon,
    look_back,
    patches,
    steps,
)
from darts_tsformers.window import Sizes, Window
from tests.helpers import exactly

SIZES = Sizes(12, 4, n_targets=2)
NAMES = {"target": ["load", "price"], "past": ["wind"], "future": ["holiday"], "static": ["store"]}
ORIGINS = [Origin(0, pd.Timestamp("2021-03-01") + pd.Timedelta(hours=i), pd.offsets.Hour()) for i in range(3)]


class Recorder(Network, name="recorder"):
    """Records all that it is given, under the module paths that it is given for.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    """

    def __init__(self, sizes: Sizes, layouts: dict[str, Layout]) -> None:
        super().__init__(sizes)
        self.layer, self.other = nn.Identity(), nn.Identity()
        self._layouts = layouts
        self.said: list[tuple[str, str, dict[str, torch.Tensor]]] = []

    def layouts(self) -> dict[str, Layout]:
        return self._layouts

    def forward(self, window: Window) -> torch.Tensor:
        for kind, path, tensors in self.said:
            record(kind, self.get_submodule(path), **tensors)
        return window.target[:, -self.sizes.output_length :, :, None] * 2


class InDataUnits(nn.Module):
    """Takes and gives what a model of Darts does."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.forecaster = Forecaster(network, use_instance_norm=False)

    def forward(self, given: PLModuleInput) -> PLModuleOutput:
        return PLModuleOutput(prediction=self.forecaster(Window(given.past_target)))


def explanation(said, layouts=None, groups=None) -> Explanation:
    network = Recorder(SIZES, layouts or {})
    network.said = said
    module = InDataUnits(network)
    capture = Capture(module, network, {kind for kind, *_ in said}, max_windows=10)
    target = torch.arange(3 * 12 * 2.0).reshape(3, 12, 2)
    capture.run(lambda: module(PLModuleInput(past_target=target)))
    labels = Labels(network, ORIGINS, NAMES)
    parts = {
        kind: {path: labels.dataset(kind, path, capture.modules[path], arrays) for path, arrays in by_path.items()}
        for kind, by_path in capture.arrays().items()
    }
    return Explanation("ToyModel", parts, ORIGINS, [], groups or {})


def delays() -> Explanation:
    period = torch.tensor([[24.0, 0, 48], [24, 12, 48], [24, 23, 0]])
    weight = torch.tensor([[0.5, 0.3, 0.2], [0.8, 0.1, 0.1], [0.6, 0.2, 0.2]])
    return explanation([("delays", "layer", {"period": period, "weight": weight})])


def test_delays_are_periods_with_their_share_of_the_weight():
    e = delays()
    found = findings.periods(e)
    assert found["period"].tolist() == [24, 48, 23, 12]
    np.testing.assert_allclose(found["strength"], np.array([1.9, 0.3, 0.2, 0.1]) / 3, rtol=1e-6)
    assert "Periods by delay weight in layer: 24 h (63%), 2 days (10%), 23 h (6.7%)." in e.summary()
    frame = e.to_frame("delays", window=1)
    assert frame["period"].tolist() == [24, 12, 48]
    assert set(frame["window"]) == {"2021-03-01 01:00"}


def test_an_explanation_has_a_short_form():
    assert repr(delays()) == "Explanation(model='ToyModel', windows=3, layers: delays of 1)"


def test_variables_have_an_importance_at_each_step_or_once():
    layouts = {
        "layer": Layout((look_back(SIZES), VariableAxis(("target", "past", "future")))),
        "other": Layout((VariableAxis(("static",)),)),
    }
    weights = torch.full((3, 12, 4), 0.1)
    weights[..., 2] = 0.7
    said = [("variables", "layer", {"weights": weights}), ("variables", "other", {"weights": torch.ones(3, 1)})]
    e = explanation(said, layouts)
    part = e.parts["variables"]["layer"]
    assert part["weights"].dims == ("window", "time", "variable")
    assert part["time_start"].to_numpy()[2, -1] == np.datetime64("2021-03-01T02")
    found = findings.variable_importance(e)
    assert found.loc[found["share"].idxmax(), "variable"] in ("store", "wind")
    own = found[found["layer"] == "layer"].set_index("variable")["share"]
    np.testing.assert_allclose(own[["load", "price", "wind", "holiday"]], [0.1, 0.1, 0.7, 0.1], rtol=1e-6)
    assert "Most important variables by layer: wind (70%)" in e.summary()
    assert "By kind: target 20%, past 70%, future 10%." in e.summary()


def test_a_trend_is_kept_with_the_forecast_it_is_of():
    trend = torch.zeros(3, 4, 2, 1)
    e = explanation([("trend", "", {"trend": trend})])
    part = e.parts["trend"]["forecast"]
    assert part["forecast"].dims == ("window", "time", "component", "parameter")
    assert part["component"].to_numpy().tolist() == ["load", "price"]
    assert part["time_start"].to_numpy()[0, 0] == np.datetime64("2021-03-01T01")
    assert float(part["forecast"].isel(window=1, time=3, component=1, parameter=0)) == 2 * 47


def stages() -> Explanation:
    """Two stages: the first adds 1 to loads, and 30 to prices, the second takes off 3 and 10."""
    added = [[5.0, 50.0], [1.0, 30.0], [-3.0, -10.0]]
    sums = [torch.tensor(one).expand(3, 4, 2).unsqueeze(-1) for one in np.cumsum(added, axis=0).tolist()]
    return explanation([("stages", "", dict(zip(("level", "up_to_1", "up_to_2"), sums, strict=True)))])


def test_what_stages_add():
    e = stages()
    (part,) = e.parts["stages"].values()
    assert part["up_to_2"].dims == ("window", "time", "component", "parameter")
    first, second = contributions(part)
    assert first[1, 2].tolist() == [[1], [30]]
    assert second[1, 2].tolist() == [[-3], [-10]]
    assert stage_shares(e) == pytest.approx({"stage 1": (1 / 4 + 3 / 4) / 2, "stage 2": (3 / 4 + 1 / 4) / 2})
    assert "the first one first: stage 1 50%, stage 2 50%." in e.summary()
    assert stage_shares(explanation([("trend", "", {"trend": torch.zeros(3, 4, 2, 1)})])) == {}
    assert e.to_frame("stages", window=0)["up_to_1"].tolist() == [6, 80] * 4


def test_stages_may_have_names():
    sums = [torch.tensor([1.0, 2.0]).expand(3, 4, 2).unsqueeze(-1) * i for i in (1, 2, 4)]
    e = explanation([("stages", "", dict(zip(("level", "up_to_trend", "up_to_rest"), sums, strict=True)))])
    assert stage_shares(e) == pytest.approx({"trend": 1 / 3, "rest": 2 / 3})
    assert "the first one first: trend 33%, rest 67%." in e.summary()


def test_which_prompts_come_before_which_part():
    weights = torch.zeros(6, 3, 5)  # two components in each of three windows; two prompts each
    weights[:, 0, 4] = weights[:, 0, 1] = weights[:, 1, 0] = weights[:4, 1, 1] = 0.5
    weights[4:, 1, 2] = 0.5
    weights[:, 2, 3:] = 0.5
    e = explanation([("prompts", "layer", {"weights": weights})], {"layer": Layout((), per_component=True)})
    part = e.parts["prompts"]["layer"]
    assert part["weights"].dims == ("window", "component", "part", "prompt")
    assert part["part"].to_numpy().tolist() == ["trend", "season", "rest"]
    shares = prompt_shares(e).set_index(["part", "prompt"])["share"]
    assert shares["season"].tolist() == pytest.approx([1 / 2, 1 / 3, 1 / 6, 0, 0])
    assert shares["trend"].tolist() == [0, 0.5, 0, 0, 0.5]
    assert "Of 5 prompts, most often before the season: 1 (50%), 2 (33%), 3 (17%)." in e.summary()
    assert prompt_shares(stages()).empty


def memories() -> Explanation:
    """Two memories of the last six steps, in patches of two; the second kept nothing but a mean."""
    written = torch.tensor([[1.0, 4.0], [2.0, 0.0], [6.0, 2.0]]).expand(3, 2, 3, 2).flatten(0, 1)
    held = torch.stack([written[..., 0], torch.full((6, 3), 2.0)], dim=-1)
    axis = TimeAxis((-5, -3, -1), (-4, -2, 0))
    said = [("memory", "layer", {"written": written, "held": held})]
    return explanation(said, {"layer": Layout((axis,), per_component=True)})


def impulse_responses() -> Explanation:
    """Two models: one answers at once, the other evenly over three steps."""
    response = torch.tensor([[2.0, 0.0, 0.0, 0.0, 0.0], [1.0, -1.0, 1.0, 0.0, 0.0]]).expand(3, 2, 5)
    silent = torch.zeros(3, 1, 5)
    return explanation([("responses", "layer", {"response": response}), ("responses", "other", {"response": silent})])


def test_how_long_models_answer_is_told():
    e = impulse_responses()
    part = e.parts["responses"]["layer"]
    assert part["response"].dims == ("window", "kernel", "lag")
    assert part["lag_duration"].to_numpy().tolist()[1:3] == ["1 h", "2 h"]
    (found,) = findings.response_lengths(e).itertuples(index=False)
    assert tuple(found) == ("layer", 1, 3)
    assert "Half of what layer answers to a pulse is over within 1 h, nine tenths within 3 h." in e.summary()


def test_a_memory_holds_a_share_of_what_was_written():
    e = memories()
    part = e.parts["memory"]["layer"]
    assert part["written"].dims == ("window", "component", "time", "memory")
    assert part["time_start"].to_numpy()[1, 0] == np.datetime64("2021-02-28T20")
    (found,) = findings.held_shares(e).itertuples(index=False)
    assert (found.layer, found.steps) == ("layer", 6)
    np.testing.assert_allclose(found.share, 14 / 22, rtol=1e-6)
    assert "The memory of layer still holds 64% of what varied in what was written over 6 h." in e.summary()
    frame = e.to_frame("memory", window=0)
    assert len(frame) == 2 * 3 * 2
    assert frame[["component", "time", "time_last", "memory", "written", "held"]].to_numpy().tolist()[3] == [
        "load",
        -3,
        -2,
        2,
        0.0,
        2.0,
    ]


def test_a_memory_that_nothing_varies_in_holds_no_share():
    still = torch.ones(3, 12, 1)
    said = [("memory", "layer", {"written": still, "held": still})]
    e = explanation(said, {"layer": Layout((look_back(SIZES),))})
    assert findings.held_shares(e).empty
    assert "still holds" not in e.summary()


def routes() -> Explanation:
    """Twelve tokens that came as five and seven; all go to the first of three experts, the later to one more."""
    first, later = torch.tensor([0.6, 0.0, 0.0]), torch.tensor([0.4, 0.0, 0.3])
    said = [("routing", "layer", {"weights": one.expand(6, n, 3)}) for one, n in ((first, 5), (later, 7))]
    return explanation(said, {"layer": Layout((look_back(SIZES),), per_component=True)})


def test_tokens_go_to_experts():
    e = routes()
    assert e.parts["routing"]["layer"]["weights"].dims == ("window", "component", "time", "expert")
    found = expert_shares(e)
    assert found["expert"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(found["share"], [12 / 19, 0, 7 / 19])
    words = "layer sends most tokens to the experts 1 (63%), 3 (37%), 2 (0%); alike, each of 3 would have 33%."
    assert words in e.summary()
    assert len(e.to_frame("routing", window=0)) == 2 * 12 * 3


def prototypes() -> Explanation:
    """Three prototypes; half of the attention of the first head goes to the last, all of the second to the first."""
    weights = torch.stack([torch.tensor([0.25, 0.25, 0.5]), torch.tensor([1.0, 0.0, 0.0])])[:, None].expand(6, 2, 5, 3)
    axes = (steps(-4, 0), NamedAxis(lambda: ["1: up, rise", "2: $5", "3: down, fall"]))
    said = [("prototypes", "layer", {"weights": weights})]
    return explanation(said, {"layer": Layout(axes, per_component=True)})


def test_prototypes_are_named_and_have_a_share_of_the_attention():
    e = prototypes()
    part = e.parts["prototypes"]["layer"]
    assert part["weights"].dims == ("window", "component", "head", "time", "prototype")
    assert part["prototype"].to_numpy().tolist() == ["1: up, rise", "2: $5", "3: down, fall"]
    found = prototype_shares(e)
    assert found["prototype"].tolist() == ["1: up, rise", "3: down, fall", "2: $5"]
    np.testing.assert_allclose(found["share"], [0.625, 0.25, 0.125])
    words = (
        "layer attends most to 1: up, rise (62%); 3: down, fall (25%); 2: $5 (12%); alike, each of 3 would have 33%."
    )
    assert words in e.summary()
    assert len(e.to_frame("prototypes", window=0)) == 2 * 2 * 5 * 3


def test_a_prompt_has_a_share_of_the_attention():
    said = [
        ("prompt", path, {"share": torch.full((6, 2, 12), share)}) for path, share in (("layer", 0.5), ("other", 0.1))
    ]
    layout = Layout((look_back(SIZES), look_back(SIZES)), per_component=True)
    e = explanation(said, {"layer": layout, "other": layout})
    assert e.parts["prompt"]["layer"]["share"].dims == ("window", "component", "head", "time")
    assert "The prompt has 30% of the attention, from 10% in other to 50% in layer." in e.summary()
    alone = explanation(said[:1], {"layer": layout})
    assert "The prompt has 50% of the attention." in alone.summary()


def maps(weights, axes, **options) -> Explanation:
    return explanation([("attention", "layer", {"weights": weights})], {"layer": Layout(axes)}, **options)


def test_a_step_gets_the_attention_of_the_tokens_it_is_in():
    weights = torch.tensor([0.6, 0.3, 0.1]).expand(3, 2, 4, 3)
    e = maps(weights, (horizon(SIZES), TimeAxis((-11, -7, -3), (-6, -4, 0))))
    profile = findings.time_profile(e)
    expected = np.array([0.6] * 4 + [(0.6 / 6 + 0.3 / 4) / (1 / 6 + 1 / 4)] * 2 + [0.3] * 2 + [0.1] * 4)
    np.testing.assert_allclose(profile, expected / expected.sum(), rtol=1e-6)
    alike = maps(torch.full((3, 2, 4, 3), 1 / 3), (horizon(SIZES), TimeAxis((-11, -7, -3), (-6, -4, 0))))
    np.testing.assert_allclose(findings.time_profile(alike), 1 / 12, rtol=1e-6)
    assert profile.index.tolist() == list(range(-11, 1))


def test_a_causal_layer_that_looks_at_all_alike_prefers_no_step():
    weights = torch.ones(12, 12).tril()
    e = maps((weights / weights.sum(-1, keepdim=True)).expand(3, 2, 12, 12), (look_back(SIZES), look_back(SIZES)))
    np.testing.assert_allclose(findings.time_profile(e), 1 / 12, rtol=1e-6)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (patches(24, 8, 5, 3), [-21.0, -18, -15, -12, -9, -6, -3, 0]),
        (steps(-11, 0).pooled(), [-11, -9, -7, -5, -3, -1]),
        (steps(-3, 0) + steps(4, 4), [-3, -2, -1, 0, 4]),
    ],
)
def test_a_token_that_is_cut_short_stands_where_it_would_whole(axis, expected):
    part = maps(torch.ones(3, 1, len(axis), len(axis)), (axis, axis)).maps["layer"]
    assert findings.middles(part, "key").tolist() == expected


def test_rows_that_make_the_forecast_alone_say_what_part_is_attended_to():
    weights = torch.zeros(3, 1, 16, 12)
    weights[..., :12, 0] = 1
    weights[..., 12:, 9] = 1
    e = maps(weights, (look_back(SIZES) + horizon(SIZES), look_back(SIZES)))
    assert findings.time_profile(e).idxmax() == -2
    assert "Half of the attention falls on 1 h, 8% of the look-back: step -2" in e.summary()


def test_the_mass_of_each_group_of_distances():
    mechanism = LogSparseAttention("local+restart", 4)
    groups = mechanism.distance_groups(12)
    everything = sorted(distance for group in groups.values() for distance in group)
    assert everything == mechanism._past(12)[0]
    assert groups["self"] == [0]
    assert FullAttention().distance_groups(12) == {}
    assert LogSparseAttention().distance_groups(12) == {"self": [0], "log steps": [1, 2, 4, 8]}
    assert LogSparseAttention("local", 8).distance_groups(12)["local"] == [1, 2]

    weights = torch.zeros(3, 1, 12, 12)
    weights += 0.25 * torch.eye(12)
    weights[..., 0] += 0.75
    e = maps(weights, (look_back(SIZES), look_back(SIZES)), groups={"layer": {"self": [0], "log steps": [1, 2, 4, 8]}})
    shares = findings.offset_shares(e).set_index("group")["share"]
    np.testing.assert_allclose(shares[["self", "log steps", "others"]], [0.25 + 0.75 / 12, 3 / 12, 0.75 * 7 / 12])


def test_health_tells_collapsed_and_uniform_heads():
    weights = torch.zeros(3, 3, 12, 12)
    weights[:, 0, :, 5] = 1
    weights[:, 1] = 1 / 12
    weights[:, 2] = torch.eye(12)
    health = maps(weights, (look_back(SIZES), look_back(SIZES))).health()
    assert health["collapsed"].tolist() == [True, False, False]
    assert health["uniform"].tolist() == [False, True, False]
    assert health["causal"].tolist() == [False, False, True]
    assert health["local_window"].tolist()[2] == 0
    np.testing.assert_allclose(health["entropy"], [0, 1, 0], atol=1e-6)


def test_a_network_that_does_not_say_what_its_tokens_are_is_told_so():
    weights = torch.ones(3, 2, 4, 4)
    message = "Recorder.layouts() must say what the tokens of 'layer' stand for: it recorded 'attention'"
    with pytest.raises(ValueError, match=exactly(message)):
        explanation([("attention", "layer", {"weights": weights})])
    message = "Recorder.layouts() gives 5 tokens to the key axis of 'layer', which has 4"
    with pytest.raises(ValueError, match=exactly(message)):
        maps(weights, (steps(0, 3), steps(0, 4)))
    with pytest.raises(ValueError, match=r"'layer' recorded 'delays' with the shape \(3, 2, 4\), which must have"):
        explanation([("delays", "layer", {"period": torch.ones(3, 2, 4), "weight": torch.ones(3, 2, 4)})])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.to_frame(), "kind='attention' must be one of those recorded: ['delays']"),
        (lambda e: e.to_frame("delays", layer="x"), "layer='x' must be one of ['layer']"),
        (lambda e: e.to_frame("delays", window=3), "window=3 must be from 0 to 2"),
        (
            lambda e: e.plot("decomposition"),
            "kind='decomposition' needs a model that forecasts a trend; none was recorded",
        ),
        (lambda e: e.plot("attention"), "this picture needs attention maps; recorded were ['delays']"),
        (lambda e: e.plot("lags", window=1), "window=1 is no option of plot('lags'), which has ['head', 'layer']"),
        (
            lambda e: e.plot("map"),
            f"kind='map' must be one of {sorted(PICTURES)}",
        ),
        (lambda e: e.plot("stages"), "kind='stages' needs a hierarchy of stages; none was recorded"),
        (lambda e: e.plot("levels"), "this picture needs a wavelet tree; recorded were ['delays']"),
        (lambda e: e.plot("experts"), "this picture needs a mixture of moving averages; recorded were ['delays']"),
        (
            lambda e: e.plot("mode_attention"),
            "this picture needs modes that attend to each other; recorded were ['delays']",
        ),
        (
            lambda e: e.plot("importance"),
            "kind='importance' needs tokens that stand for variables or time; none were recorded",
        ),
    ],
)
def test_what_is_not_there_cannot_be_shown(call, message):
    with pytest.raises(ValueError, match=exactly(message)):
        call(delays())


def test_passes_belong_to_windows_batch_by_batch():
    assert windows_of_passes([2, 2, 1, 1], 2) == [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 1)]
    assert windows_of_passes([3], 1) == [(0, 0), (1, 0), (2, 0)]


def test_names_that_differ_are_positions():
    assert common_names([["a", "b"], ["a", "b"]], "target") == ["a", "b"]
    assert common_names([["a", "b"], ["a", "c"]], "target") == ["target 1", "target 2"]
