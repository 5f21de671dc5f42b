"""Time-LLM against its definition, a window and a component at a time; what it says, reads and shows."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.networks import Forecaster, TimeLLM
from darts_tsformers.networks._time_llm_prompts import left_padded, statistics
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, make_window, rows, scatter_

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=3, n_static=2)
LANGUAGE = {
    "backbone": "random", "backbone_sizes": {"d_model": 6, "n_layers": 2, "n_heads": 3, "d_ff": 11},
    "n_backbone_layers": None,
}  # fmt: skip
TINY = {
    "backbone": "none", "n_prototypes": 7, "patch_length": 5, "stride": 3, "d_model": 4, "n_heads": 2, "d_ff": 5,
    "dropout": 0.0,
}  # fmt: skip
FORMS = {
    "none": {},
    "statistics": LANGUAGE,
    "task": LANGUAGE | {"prompt": "task", "architecture": "bert", "description": "Load."},
    "no prompt": LANGUAGE | {"prompt": "none", "n_heads": 1},
}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
KINDS = {
    "past": {"n_past": 2},
    "future": {"n_future": 3},
    "static": {"n_static": 2},
    "all": {"n_past": 2, "n_future": 3, "n_static": 2},
}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def network(sizes: Sizes = SIZES, **changes) -> TimeLLM:
    model = TimeLLM(sizes, **TINY | changes)
    own = torch.nn.ModuleDict({name: part for name, part in model.named_children() if name != "language"})
    scatter_(own)
    return model.eval()


def learnt(model: TimeLLM) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def prompt_of(model: TimeLLM, series: Tensor) -> str:
    said = statistics(series[None])[0] if model.prompts.with_statistics else ""
    return f"{model.prompts.opening}{said} Values:"


def by_definition(model: TimeLLM, window: Window) -> Tensor:
    """Forecast window by window and component by component, each with its own prompt and no padding."""
    p, s, n = model.patching.patch_length, model.patching.stride, model.patching.n_patches
    kernel = model.embedding.linear.weight.unflatten(-1, (3, p))
    prototypes = model.drawn_prototypes()
    out = torch.zeros(len(window.target), SIZES.output_length, 3, dtype=torch.float64)
    for b in range(len(out)):
        known = torch.cat([window.past[b], window.historic_future[b]], dim=-1)
        known = torch.cat([known, known[-1:].expand(s, -1)])
        beside = [torch.cat([known[s * i : s * i + p, k] for k in range(known.shape[1])]) for i in range(n)]
        for c in range(3):
            series = window.target[b, :, c]
            padded = torch.cat([series, series[-1:].expand(s)])
            patches = [padded[s * i : s * i + p] for i in range(n)]
            tokens = [
                sum(kernel[:, k] @ patches[(i + k - 1) % n] for k in range(3))
                + model.covariates(beside[i])
                + model.static(window.static[b, c])
                for i in range(n)
            ]
            states = model.reprogramming(torch.stack(tokens)[None], prototypes)
            if model.language is not None:
                before = states[:, :0]
                if model.prompts is not None:
                    before = model.language.embed(torch.tensor(model.language.tokenize([prompt_of(model, series)])))
                states = model.language(torch.cat([before, states], dim=1))[:, before.shape[1] :]
            features = states[0, :, : model.d_ff]
            head = model.head.weight.unflatten(-1, (n, model.d_ff))
            answer = model.future(window.future[b : b + 1], features.mean(dim=0)[None, None])[0, 0, :, 0]
            out[b, :, c] = sum(head[:, i] @ features[i] for i in range(n)) + model.head.bias + answer
    return out.unsqueeze(-1)


@forms
@pytest.mark.parametrize("batch", [1, 3])
def test_equals_its_definition(form, batch):
    model = network(ALL_COVARIATES, **form).double()
    window = make_window(ALL_COVARIATES, batch, dtype=torch.float64)
    assert_same_with_gradients(model(window), by_definition(model, window), learnt(model))


@forms
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-4), (torch.bfloat16, 0.3)])
def test_in_single_and_half_precision(form, dtype, close):
    model, window = network(**form).double(), make_window(SIZES, dtype=torch.float64)
    window = Window(window.target.to(dtype).double())  # else the prompts say other numbers
    expected = model(window)
    out = model.to(dtype)(Window(window.target.to(dtype)))
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), expected, atol=close, rtol=close)


@forms
def test_a_forecast_does_not_depend_on_batch_mates(form):
    model, window = network(ALL_COVARIATES, **form), make_window(ALL_COVARIATES)
    window.target[1] *= 100  # a longer prompt
    together = model(window)
    for i in range(3):
        torch.testing.assert_close(model(rows(window, slice(i, i + 1))), together[i : i + 1], rtol=1e-5, atol=1e-5)


@forms
def test_components_do_not_see_each_other_and_their_number_is_free(form):
    model, window = network(**form), make_window(replace(SIZES, n_targets=5))
    out = model(window)
    assert model.width_tie is None
    assert out.shape == (3, 5, 5, 1)
    torch.testing.assert_close(out[:, :, 1:3], model(Window(window.target[..., 1:3])), rtol=1e-5, atol=1e-5)


@kinds
@pytest.mark.parametrize("form", [{}, LANGUAGE], ids=["none", "language"])
def test_an_untrained_network_with_covariates_is_the_one_without(kind, form):
    plain = network(**form)
    wide = TimeLLM(replace(SIZES, **kind), **TINY | form).eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = make_window(wide.sizes)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} <= {"covariates", "static", "future"}
    torch.testing.assert_close(wide(window), plain(Window(window.target)))
    out = wide(window)
    (out * draw(*out.shape, seed=9)).sum().backward()
    ways_in = [wide.get_parameter(n) for n in missing if n in {"covariates.weight", "static.weight"}]
    ways_in += [] if wide.future is None else [wide.future.response.weight]
    assert ways_in
    assert all(p.grad.abs().sum() > 0 for p in ways_in)


@forms
@kinds
def test_every_parameter_learns_and_the_language_model_does_not(form, kind):
    sizes = replace(SIZES, **kind)
    model = network(sizes, **form).train()
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in learnt(model))
    if model.language is not None:
        assert not model.language.training
        assert all(not p.requires_grad and p.grad is None for p in model.language.parameters())


def test_adapters_learn_in_the_place_of_the_language_model():
    model = network(**LANGUAGE, lora_rank=2).train()
    window = make_window(SIZES)
    torch.testing.assert_close(model(window), network(**LANGUAGE)(window))  # adapters start at zero
    model(window).square().sum().backward()
    own = {name: p for name, p in model.language.named_parameters() if p.requires_grad}
    moved = {name for name, p in own.items() if p.grad.abs().sum() > 0}
    assert moved == {name for name in own if "lora_A" not in name}  # which the zeros of the others keep still at first
    assert any("lora_B" in name for name in moved)


@pytest.mark.parametrize("name", ["past", "historic_future", "future", "static"])
def test_a_trained_network_listens_to_every_covariate(name):
    model, window = network(ALL_COVARIATES), make_window(ALL_COVARIATES)
    moved = replace(window, **{name: getattr(window, name) + 1})
    assert not torch.allclose(model(window), model(moved))


def test_static_covariates_act_on_their_own_component():
    model, window = network(ALL_COVARIATES), make_window(ALL_COVARIATES)
    static = window.static.clone()
    static[:, 1] += 1
    before, after = model(window), model(replace(window, static=static))
    assert torch.equal(before[:, :, [0, 2]], after[:, :, [0, 2]])
    assert not torch.allclose(before[:, :, 1], after[:, :, 1])


@pytest.mark.parametrize("form", [{}, LANGUAGE], ids=["none", "language"])
def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_head(form):
    point, wide = (network(replace(SIZES, n_parameters=q), **form) for q in (1, 3))
    whole = wide(make_window(SIZES))
    for q in range(3):
        head = {f"head.{kind}": getattr(wide.head, kind).unflatten(0, (5, 3))[:, q] for kind in ("weight", "bias")}
        point.load_state_dict(wide.state_dict() | head)
        torch.testing.assert_close(point(make_window(SIZES)), whole[..., q : q + 1])


def test_the_prompt_matters():
    window = make_window(SIZES)
    spoken = [{}, {"description": "Load of a town."}, {"prompt": "task"}, {"prompt": "none"}]
    found = [network(**LANGUAGE | changes)(window) for changes in spoken]
    for i, one in enumerate(found):
        assert all(not torch.allclose(one, other) for other in found[i + 1 :])


def test_a_prompt_speaks_of_what_the_network_is_given():
    model = Forecaster(network(**LANGUAGE)).eval()
    said: list[Tensor] = []
    texts = model.network.prompts.texts
    model.network.prompts.texts = lambda series: said.append(series.detach()) or texts(series)
    target = make_window(SIZES).target * 7 + 100
    target[:, 4:7, 1], target[0, :9, 2] = torch.nan, torch.nan
    with torch.no_grad():
        model.missing_offset.fill_(0.25)
        model(Window(target))
        seen, _ = model._seen(Window(target))
    assert torch.equal(said[0], seen.target.mT.flatten(0, 1))
    assert said[0].isfinite().all()


def test_dropout_acts_on_tokens_on_what_attention_gives_and_on_the_forecast():
    model = network(ALL_COVARIATES, **LANGUAGE, head_dropout=0.5).train()
    calls = {name: n for name, n in count_dropouts(model).items() if not name.startswith("language")}
    assert calls.keys() == {"dropout", "reprogramming.dropout", "head_dropout"}
    model.head_dropout.p = 0.99
    assert (model(make_window(ALL_COVARIATES)) == 0).float().mean() < 0.5  # what the future adds is not dropped
    assert (network(**LANGUAGE, head_dropout=0.99).train()(make_window(SIZES)) == 0).float().mean() > 0.9


@pytest.mark.parametrize("length", [1, 2, 4, 16])
def test_short_look_backs_have_a_patch_as_long(length):
    sizes = Sizes(length, 3)
    for form in ({}, LANGUAGE):
        model = network(sizes, **form, patch_length=None)
        assert model.patching.patch_length == length
        assert model(make_window(sizes)).shape == (3, 3, 1, 1)


def test_prototypes_are_named_by_the_words_nearest_to_them():
    model = network(**LANGUAGE)
    with torch.no_grad():
        model.prototypes.linear.weight.zero_()
        model.prototypes.linear.bias.zero_()
        model.prototypes.linear.weight[0, ord("w")] = 3
        model.prototypes.linear.weight[1, ord("\n")] = 1
    names = model.prototype_names()
    assert len(names) == 7
    assert names[0].startswith("1: w, ")
    assert names[1].startswith("2: '\\n', ")
    assert network().prototype_names()[:2] == ["prototype 1", "prototype 2"]


@forms
def test_what_is_recorded_is_of_patches(form):
    model, window = network(**form), make_window(SIZES)
    plain, n = model(window), model.patching.n_patches
    with recording("attention", "prototypes", "prompt") as found:
        torch.testing.assert_close(model(window), plain, rtol=1e-5, atol=1e-5)
    (entry,) = found["prototypes"]
    assert entry.module is model.reprogramming
    assert entry.tensors["weights"].shape == (9, model.reprogramming.n_heads, n, 7)
    layers = [model.get_submodule(path) for path in model.attention_layers()]
    assert [entry.module for entry in found["attention"]] == layers
    assert [entry.module for entry in found["prompt"]] == (layers if model.prompts is not None else [])
    for entry in found["attention"]:
        assert entry.tensors["weights"].shape == (9, 3, n, n)
        torch.testing.assert_close(entry.tensors["weights"].sum(-1), torch.ones(9, 3, n))
    assert set(model.layouts()) == {*model.attention_layers(), "reprogramming"}


@pytest.mark.parametrize("prompt", ["statistics", "task"])
def test_what_prompts_begin_with_is_read_once_for_all_windows(prompt):
    model, window = network(**LANGUAGE, prompt=prompt), make_window(SIZES)
    opening, ids, _ = model.prompts(window.target.mT.flatten(0, 1), model.language.tokenize)
    read: list[tuple[int, ...]] = []
    assert not model.language.looks_ahead
    model.language.backbone.register_forward_pre_hook(
        lambda _, __, given: read.append(tuple(given["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    model(window)
    assert len(opening) >= len(model.prompts.opening)
    assert read == [(1, len(opening)), (9, ids.shape[1] + model.patching.n_patches)]


def test_a_share_of_the_attention_is_the_prompts():
    model, window = network(**LANGUAGE), make_window(SIZES, 1)
    with recording("attention", "prompt") as found:
        model(window)
    series = window.target.mT.flatten(0, 1)
    ids, observed = left_padded(model.language.tokenize(model.prompts.texts(series)), series.device)
    said = model.reprogramming(model.embed(window), model.drawn_prototypes())
    tokens = torch.cat([model.language.embed(ids), said], dim=1)
    with recording("attention") as whole:
        model.language(tokens, torch.cat([observed, torch.ones(3, said.shape[1], dtype=torch.bool)], dim=1))
    for ours, share, theirs in zip(found["attention"], found["prompt"], whole["attention"], strict=True):
        of_patches = theirs.tensors["weights"][:, :, -said.shape[1] :]
        torch.testing.assert_close(share.tensors["share"], of_patches[..., : ids.shape[1]].sum(-1))
        expected = of_patches[..., ids.shape[1] :] / (1 - share.tensors["share"][..., None])
        torch.testing.assert_close(ours.tensors["weights"], expected)


def test_no_language_model_is_read_where_no_values_are_wanted():
    with torch.device("meta"):
        model = TimeLLM(SIZES, backbone="nobody/has-such-a-model")
    assert model.head.weight.is_meta


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": "all"}, "prompt='all' must be one of ['none', 'statistics', 'task']"),
        ({"description": 3}, "description=3 must be a text or None"),
        ({"n_heads": 0}, "n_heads=0 must be an integer of at least 1"),
        ({"d_ff": 0}, "d_ff=0 must be an integer of at least 1"),
        ({"n_prototypes": 0}, "n_prototypes=0 must be an integer of at least 1"),
        ({"pad_end": 1}, "pad_end=1 must be True or False"),
        ({"head_dropout": 1}, "head_dropout=1 must be in [0, 1)"),
        ({"patch_length": 18}, "patch_length=18 must be at most input_chunk_length=17"),
        (LANGUAGE | {"d_ff": 7}, "d_ff=7 must be at most the width of the language model, which is 6"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)


def test_a_prompt_too_long_for_the_language_model_is_refused():
    model = network(**LANGUAGE, description="long " * 500)
    with pytest.raises(ValueError, match=r"backbone='gpt2' reads 1024 tokens at most, not \d+"):
        model(make_window(SIZES))
