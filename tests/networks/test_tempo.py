"""TEMPO against its definition, component by component; what it teaches its parts; what it records."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.networks import TEMPO, Forecaster, Score
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import assert_same_with_gradients, draw, exactly, make_window, rows, scatter_

SIZES = Sizes(17, 5, n_targets=3)
COVARIATES = replace(SIZES, n_past=2, n_future=3, n_static=2)
RANDOM = {"backbone": "random", "backbone_sizes": {"d_model": 6, "n_layers": 2, "n_heads": 3}}
TINY = RANDOM | {
    "patch_length": 5, "stride": 3, "kernel_size": 4, "dropout": 0.0, "n_prompts": 7, "prompt_length": 2, "top_k": 3,
}  # fmt: skip
FORMS = {
    "text": {},
    "text, read": {"head_reads_prompts": True},
    "pool": {"prompt": "pool"},
    "pool, read": {"prompt": "pool", "head_reads_prompts": True, "top_k": 1},
    "faithful pool": {"prompt": "pool", "faithful": True, "lora_rank": 2},
    "no prompt": {"prompt": "none"},
    "no language model": {"backbone": "none"},
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
N = 6
"""Patches: of 17 steps and 3 that repeat the last one."""


def network(sizes: Sizes = SIZES, **changes) -> TEMPO:
    return scatter_(TEMPO(sizes, **TINY | changes)).double().eval()


def window_of(sizes: Sizes = SIZES, **options) -> Window:
    return make_window(sizes, dtype=torch.float64, **options)


def learned(model: TEMPO) -> list[Tensor]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def patched(x: Tensor) -> Tensor:
    padded = torch.cat([x, x[-1:], x[-1:], x[-1:]])
    return torch.stack([padded[3 * i : 3 * i + 5] for i in range(N)])


def prompt_of(model: TEMPO, k: int, tokens: Tensor) -> Tensor:
    """Return the prompt of part ``k``."""
    if model.texts is not None:
        (ids,) = model.language.tokenize([f"Forecast the series from its {('trend', 'season', 'rest')[k]}."])
        return torch.stack([model.texts.maps[k](model.language.table[i]) for i in ids])
    if model.pool is not None:
        return model.pool(tokens[None]).tokens[0]
    return tokens[:0]


def by_hand(model: TEMPO, window: Window, b: int, c: int) -> Tensor:
    """Forecast one component of one window."""
    tokens = []
    for piece, part in zip(model.pieces, model.decomposition(window.target[b : b + 1, :, c : c + 1].mT), strict=True):
        token = [piece.embedding(patch) for patch in patched(part.flatten())]
        if piece.covariates is not None:
            series = [*window.past[b].unbind(-1), *window.historic_future[b].unbind(-1)]
            known = torch.cat([patched(one) for one in series], dim=-1)
            token = [
                one + piece.covariates(beside) + piece.static(window.static[b, c])
                for one, beside in zip(token, known, strict=True)
            ]
        tokens.append(torch.stack(token))
    states = tokens
    if model.language is not None:
        if model.texts is None and model.pool is None:
            tokens = [model.language(one[None])[0] for one in tokens]
        prompts = [prompt_of(model, k, one) for k, one in enumerate(tokens)]
        read = model.language(torch.cat([x for pair in zip(prompts, tokens, strict=True) for x in pair])[None])[0]
        states, end = [], 0
        for prompt in prompts:
            begin, end = end, end + len(prompt) + N
            states.append(read[begin if model.head_reads_prompts else end - N : end])
    out = sum(piece.head(one.flatten()) for piece, one in zip(model.pieces, states, strict=True))
    out = out.view(model.sizes.output_length, -1)
    if model.future is not None:
        state = torch.cat(states).mean(0)
        out = out + model.future(window.future[b : b + 1], state[None, None])[0, 0]
    return out


@every_form
@pytest.mark.parametrize("sizes", [COVARIATES, replace(SIZES, n_targets=1, n_parameters=2)], ids=["all", "alone"])
def test_a_forecast_is_that_of_the_definition(form, sizes):
    model, window = network(sizes, **form), window_of(sizes, batch=2)
    expected = [torch.stack([by_hand(model, window, b, c) for c in range(sizes.n_targets)], dim=1) for b in range(2)]
    assert_same_with_gradients(model(window), torch.stack(expected), learned(model))


@pytest.mark.parametrize("form", [FORMS["text"], FORMS["pool"]], ids=["text", "pool"])
def test_in_single_and_half_precision(form):
    model, window = network(**form), window_of()
    expected = model(window).detach()
    single = replace(window, target=window.target.float())
    torch.testing.assert_close(model.float()(single).double(), expected, rtol=1e-4, atol=1e-4)
    half = model.bfloat16()(replace(window, target=window.target.bfloat16()))
    assert half.dtype == torch.bfloat16
    assert (half.double() - expected).std() < 0.3 * expected.std()


@every_form
def test_an_untrained_network_with_covariates_is_the_one_without(form):
    plain, wide = network(**form), TEMPO(COVARIATES, **TINY | form).double().eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[2 if name.startswith("pieces") else 0] for name in missing} == {
        "covariates",
        "static",
        "future",
    }
    window = window_of(COVARIATES)
    torch.testing.assert_close(wide(window), plain(Window(window.target)))


@every_form
def test_every_parameter_learns_and_none_that_is_frozen(form):
    model, window = network(COVARIATES, period=4, **form).train(), window_of(COVARIATES)
    training = model.learn(window)
    out = training.forecast
    taught = sum(training.penalties.values()) + sum(map(mean_of, training.scores))
    ((out * draw(*out.shape, seed=9, dtype=torch.float64)).sum() + taught).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in learned(model))
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert all(name.startswith("language.") for name in frozen)
    assert bool(frozen) == (model.language is not None)


@pytest.mark.parametrize("name", ["past", "historic_future", "future", "static"])
def test_a_trained_network_listens_to_every_covariate(name):
    model, window = network(COVARIATES), window_of(COVARIATES)
    moved = replace(window, **{name: getattr(window, name) + 1})
    assert not torch.allclose(model(window), model(moved))


@every_form
def test_components_and_samples_do_not_see_each_other(form):
    model, window = network(COVARIATES, **form), window_of(COVARIATES)
    whole = model(window)
    for i in range(3):
        torch.testing.assert_close(model(rows(window, slice(i, i + 1))), whole[i : i + 1])
    alone = replace(window, target=window.target[..., 1:2], static=window.static[:, 1:2])
    torch.testing.assert_close(model(alone), whole[:, :, 1:2])


def test_the_forecast_in_training_is_the_forecast():
    model, window = network(COVARIATES, prompt="pool", period=4), window_of(COVARIATES)
    torch.testing.assert_close(model.learn(window).forecast, model(window))


def mean_of(score: Score) -> Tensor:
    """Return what a score adds to the loss of a batch without sample weights."""
    return score.weight * score.cost[score.counts].mean()


@pytest.mark.parametrize("gaps", [False, True])
def test_the_split_is_taught_by_the_look_back_where_it_was_observed(gaps):
    model, window = network(period=4, decomposition_weight=0.5), window_of()
    assert not model.needs_future_target
    missing = draw(3, 17, 3, seed=4) > 0.5 if gaps else torch.zeros(3, 17, 3, dtype=torch.bool)
    total, count = torch.zeros((), dtype=torch.float64), 0
    for b in range(3):
        for c in range(3):
            x = window.target[b, :, c].view(1, 1, -1)
            for ours, theirs in zip(model.decomposition(x), model.taught_by(x), strict=True):
                total = total + ((ours - theirs).flatten()[~missing[b, :, c]] ** 2).sum()
            count += int((~missing[b, :, c]).sum())
    training = model.learn(replace(window, missing=missing if gaps else None))
    (score,) = training.scores
    assert (score.name, training.penalties) == ("decomposition", {})
    assert not score.counts[:, 17:].any()
    assert_same_with_gradients(mean_of(score), 0.5 * total / count, list(model.decomposition.parameters()))


def test_nothing_observed_teaches_nothing():
    model, window = network(period=4), window_of()
    missing = torch.ones(3, 17, 3, dtype=torch.bool)
    (score,) = model.learn(replace(window, missing=missing)).scores
    assert not score.counts.any()


def test_keys_are_drawn_to_what_chose_them():
    model, window = network(prompt="pool", key_weight=0.5), window_of()
    penalty = model.learn(window).penalties["keys"]
    likeness = torch.stack([one.likeness for one in model.read(window).chosen])
    torch.testing.assert_close(penalty, 0.5 * (1 - likeness.mean()))
    before = float(likeness.mean().detach())
    (gradient,) = torch.autograd.grad(penalty, model.pool.keys)
    with torch.no_grad():
        model.pool.keys -= 0.1 * gradient
    assert float(torch.stack([one.likeness for one in model.read(window).chosen]).mean().detach()) > before


def test_without_a_season_or_a_pool_nothing_else_is_learnt():
    training = network().learn(window_of())
    assert (training.penalties, list(training.scores)) == ({}, [])


def test_without_a_language_model_there_are_no_prompts():
    model = network(backbone="none", prompt="pool")
    assert (model.language, model.pool, model.texts) == (None, None, None)
    assert model.pieces[0].embedding.out_features == 6


@torch.no_grad()
def test_parts_add_up_to_the_forecast_in_data_units():
    model = network(COVARIATES)
    forecaster, window = Forecaster(model).double().eval(), window_of(COVARIATES)
    with recording("stages", "trend") as record:
        out = forecaster(window)
    (stages,), (trend,) = record["stages"], record["trend"]
    assert list(stages.tensors) == ["level", "up_to_trend", "up_to_season", "up_to_rest"]
    torch.testing.assert_close(stages.tensors["up_to_rest"], out)
    torch.testing.assert_close(stages.tensors["up_to_trend"], trend.tensors["trend"])
    for piece in list(model.pieces)[1:]:
        torch.nn.init.zeros_(piece.head.weight)
        torch.nn.init.zeros_(piece.head.bias)
    torch.testing.assert_close(forecaster(window), trend.tensors["trend"])


@torch.no_grad()
@pytest.mark.parametrize("form", [FORMS["text"], FORMS["pool"], FORMS["no prompt"]], ids=["text", "pool", "none"])
def test_attention_between_patches_of_any_part_is_recorded(form):
    model, window = network(**form), window_of()
    said = []
    handle = model.language.register_forward_pre_hook(lambda _, given: said.append(given[0]))
    with recording("attention") as record:
        model(window)
    handle.remove()
    with recording("attention") as whole:
        model.language(said[-1])
    lengths = [len(prompt_of(model, k, torch.zeros(N, 6).double())) + N for k in range(3)]
    at = [[sum(lengths[: k + 1]) - N + i for i in range(N)] for k in range(3)]
    assert len(record["attention"]) == len(whole["attention"]) == 2
    for entry, theirs in zip(record["attention"], whole["attention"], strict=True):
        ours, weights = entry.tensors["weights"], theirs.tensors["weights"]
        assert entry.module is theirs.module
        assert ours.shape == (9, 3, N, N)
        for i in range(N):
            row = torch.zeros(9, 3, N, dtype=torch.float64)
            for query in (at[k][i] for k in range(3)):
                seen = torch.stack([sum(weights[:, :, query, at[k][j]] for k in range(3)) for j in range(N)], dim=-1)
                row += seen / seen.sum(-1, keepdim=True) / 3
            torch.testing.assert_close(ours[:, :, i], row)
    layouts = model.layouts()
    for path in model.attention_layers():
        assert [len(axis) for axis in layouts[path].axes] == [N, N]
        assert model.get_submodule(path) in [entry.module for entry in record["attention"]]
    axis = layouts[model.attention_layers()[0]].axes[0]
    assert (axis.first[:2], axis.last[-2:]) == ((-16, -13), (0, 0))


@torch.no_grad()
def test_the_prompts_that_were_chosen_are_recorded():
    model, window = network(prompt="pool"), window_of()
    with recording("prompts") as record:
        model(window)
    (entry,) = record["prompts"]
    assert entry.module is model.pool
    assert entry.tensors["weights"].shape == (9, 3, 7)
    for k, chosen in enumerate(model.read(window).chosen):
        for i in range(9):
            assert entry.tensors["weights"][i, k].nonzero().flatten().tolist() == sorted(chosen.prompt[i].tolist())
    torch.testing.assert_close(entry.tensors["weights"].sum(-1), torch.ones(9, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": "words"}, "prompt='words' must be one of ['none', 'pool', 'text']"),
        ({"key_weight": -1.0}, "key_weight=-1.0 must be a finite number of at least 0"),
        ({"decomposition_weight": -1.0}, "decomposition_weight=-1.0 must be a finite number of at least 0"),
        ({"patch_length": 18}, "patch_length=18 must be at most input_chunk_length=17"),
        ({"stride": 0}, "stride=0 must be an integer of at least 1"),
        ({"kernel_size": 0}, "kernel_size=0 must be an integer of at least 1"),
        ({"period": 1}, "period=1 must be an integer of at least 2"),
        ({"period": 9}, "period=9 must be at most half of input_chunk_length=17"),
        ({"top_k": 8}, "top_k=8 must be at most n_prompts=7"),
        ({"lora_rank": 0}, "lora_rank=0 must be an integer of at least 1"),
    ],
    ids=lambda value: "-".join(map(str, *value.items())) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["head_reads_prompts", "faithful"])
def test_a_flag_is_a_flag(name):
    with pytest.raises(ValueError, match=exactly(f"{name}=1 must be True or False")):
        network(**{name: 1})
