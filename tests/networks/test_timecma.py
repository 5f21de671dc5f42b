from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.networks import TimeCMA
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, rows, scatter_
from tests.networks.variates import moved_about

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=7, n_static=2)
TINY = {"d_model": 6, "n_heads": 2, "n_encoder_layers": 2, "n_decoder_layers": 2, "d_ff": 7, "d_ff_alignment": 11}
NONE = {"backbone": "none"}
RANDOM = {"backbone": "random", "backbone_sizes": {"d_model": 10, "n_layers": 1, "n_heads": 2}}
FORMS = {"none": NONE, "random": RANDOM, "faithful": RANDOM | {"faithful": True}}
every_form = pytest.mark.parametrize("form", FORMS)
both = pytest.mark.parametrize("sizes", [SIZES, ALL_COVARIATES], ids=["plain", "covariates"])


def network(form: str = "random", sizes: Sizes = SIZES, **kwargs) -> TimeCMA:
    """Build a network whose parameters, but for those of the language model, are drawn anew."""
    model = TimeCMA(sizes, **TINY | FORMS[form] | kwargs)
    for part in (model.language_branch.encoder, model.language_branch.alignment) if form != "none" else ():
        scatter_(part)
    for name, part in model.named_children():
        if name != "language_branch":
            scatter_(part)
    for parameter in (model.covariate_marks, model.past_type):
        if parameter is not None:
            parameter.data += draw(*parameter.shape, seed=4)
    return model


def by_hand(model: TimeCMA, window: Window) -> Tensor:
    """Forecast variate by variate."""
    n = window.target.shape[-1]
    tokens = [model.embedding(window.target[..., c]) for c in range(n)]
    said = [window.target[..., c] for c in range(n)]
    if window.static is not None:
        tokens = [token + model.static(window.static[:, c]) for c, token in enumerate(tokens)]
    if window.past is not None:
        for p, mark in enumerate(model.covariate_marks[:2]):
            tokens.append(model.embedding(window.past[..., p]) + model.past_type + mark)
            said.append(window.past[..., p])
    if window.future is not None:
        for f, mark in enumerate(model.covariate_marks[2:]):
            whole = torch.cat([window.historic_future[..., f], window.future[..., f]], dim=1)
            tokens.append(model.future_embedding(whole) + mark)
            said.append(window.historic_future[..., f])
    x = torch.stack(tokens, dim=1)
    for layer in model.encoder:
        x = layer(x)
    if model.language_branch is not None:
        prompts = torch.stack([model.language_branch.prompts(one[..., None])[:, 0] for one in said], dim=1)
        for layer in model.language_branch.encoder:
            prompts = layer(prompts)
        x = model.language_branch.alignment(x, prompts)
    memory = x
    for layer in model.decoder:
        x = layer(x, memory)
    return torch.stack([model.head(x[:, c]) for c in range(n)], dim=-1).unsqueeze(-1)


@both
@every_form
def test_equals_its_definition(form, sizes):
    model, window = network(form, sizes).double().eval(), make_window(sizes, dtype=torch.float64)
    torch.testing.assert_close(model(window), by_hand(model, window))


@every_form
def test_a_sample_does_not_depend_on_its_batch_mates(form):
    model, window = network(form, ALL_COVARIATES).eval(), make_window(ALL_COVARIATES)
    other = network(form, ALL_COVARIATES).eval()  # which has kept nothing
    torch.testing.assert_close(other(rows(window, slice(1, 2))), model(window)[1:2])


def test_without_a_language_model_any_number_of_variates_is_served_in_any_order():
    three, five = (replace(ALL_COVARIATES, n_targets=n) for n in (3, 5))
    model, other = network("none", three).eval(), network("none", five).eval()
    other.load_state_dict(model.state_dict())
    window, order = make_window(five), torch.tensor([2, 0, 4, 1, 3])
    assert model.width_tie is None
    assert torch.equal(model(window), other(window))
    torch.testing.assert_close(model(moved_about(window, order)), model(window)[:, :, order])


def test_with_one_it_is_tied_to_its_components():
    model, window, order = network().eval(), make_window(SIZES), torch.tensor([2, 0, 1])
    assert model.width_tie == "backbone"
    assert not torch.isclose(model(moved_about(window, order)), model(window)[:, :, order]).all(1).any()


@pytest.mark.parametrize("n_targets", [1, 2])
def test_one_variate_alone_is_forecast_by_its_own_values(n_targets):
    sizes = replace(SIZES, n_targets=n_targets)
    model, window = network(sizes=sizes).eval(), make_window(sizes)
    assert not torch.isclose(model(window), model(Window(window.target.flip(1)))).all(1).any()


def test_what_a_language_model_reads_matters():
    model, window = network().eval(), make_window(SIZES)
    before = model(window)
    model.language_branch.prompts.description = "All of it is made up."
    model.language_branch.prompts.kept.clear()
    assert not torch.isclose(model(window), before).all(1).any()


def test_a_gap_is_unknown_to_the_language_model():
    model, window = network(sizes=ALL_COVARIATES).eval(), make_window(ALL_COVARIATES)
    missing = torch.zeros_like(window.target, dtype=torch.bool)
    missing[:, 5, 1] = True
    heard = []
    tokenize = model.language_branch.prompts.language.tokenize
    model.language_branch.prompts.language.tokenize = lambda texts: heard.extend(texts) or tokenize(texts)
    model(replace(window, missing=missing))
    assert ["unknown" in text for text in heard] == 3 * [n == 1 for n in range(12)]


@every_form
@pytest.mark.parametrize("name", ["past", "historic_future", "future", "static"])
def test_a_network_listens_to_every_covariate(form, name):
    model, window = network(form, ALL_COVARIATES).eval(), make_window(ALL_COVARIATES)
    moved = replace(window, **{name: getattr(window, name) + 1})
    assert not torch.isclose(model(window), model(moved)).all(1).any()


def test_covariates_start_without_marks():
    model = TimeCMA(ALL_COVARIATES, **TINY | NONE)
    assert not any(part.any() for part in (model.covariate_marks, model.past_type, model.static.weight))


@both
@every_form
def test_every_parameter_but_those_of_the_language_model_learns(form, sizes):
    model = network(form, sizes)
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().sum() < 1e-9}
    frozen = {name for name, _ in model.named_parameters() if ".language." in name}
    key = {"language_branch.alignment.key.bias"} if form != "none" else set()  # adds the same to all scores of a query
    assert idle - key == frozen


def test_adapters_of_the_language_model_learn():
    model = network(lora_rank=2)
    out = model(make_window(SIZES))
    (out * draw(*out.shape, seed=9)).sum().backward()
    learnt = {name for name, p in model.named_parameters() if ".language." in name and p.grad is not None}
    assert any("lora_B" in name for name in learnt)
    assert all("lora_" in name or name.endswith("bias") for name in learnt)
    assert len(model.language_branch.prompts.kept) == 0


def test_gradients_equal_finite_differences():
    model = network("none", Sizes(7, 2, n_targets=2)).double().eval()
    x = draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


@every_form
def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_head(form):
    wide, window = network(form, replace(SIZES, n_parameters=2)).eval(), make_window(SIZES)
    whole = wide(window)
    wide.head.bias.data[1::2] += 1
    torch.testing.assert_close(wide(window) - whole, torch.tensor([0.0, 1.0]).expand_as(whole))


def test_the_maps_span_variates_and_covariates():
    model = network(sizes=ALL_COVARIATES).eval()
    with recording("attention") as record:
        model(make_window(ALL_COVARIATES))
    paths = {module: path for path, module in model.named_modules()}
    assert [paths[entry.module] for entry in record["attention"]] == model.attention_layers() == list(model.layouts())
    assert {entry.tensors["weights"].shape for entry in record["attention"]} == {(3, 2, 12, 12)}
    assert len(record["attention"]) == 2 + 2 + 2 * 2


@every_form
def test_bfloat16_is_kept_and_accurate(form):
    model = network(form, ALL_COVARIATES).eval()
    narrow = make_window(ALL_COVARIATES, dtype=torch.bfloat16)
    expected = model(Window(**{name: None if t is None else t.float() for name, t in vars(narrow).items()}))
    out = model.to(torch.bfloat16)(narrow)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 5e-2 * expected.norm()


@every_form
def test_every_dropout_acts_once(form):
    model = network(form, dropout=0.5)
    calls = {name: n for name, n in count_dropouts(model).items() if ".language." not in name}
    counted = count_dropouts(model)
    model(make_window(SIZES))
    assert {counted[name] for name in calls} == {1}
    assert len(calls) == {"none": 2 * 3 + 2 * 4}.get(form, 4 * 3 + 3 + 2 * 4)


@every_form
def test_evaluation_is_deterministic_and_dropout_acts_in_training(form):
    model, window = network(form, dropout=0.5), make_window(SIZES)
    assert not torch.equal(model(window), model(window))
    model.eval()
    assert torch.equal(model(window), model(window))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_heads": 5}, "n_heads=5 must divide d_model=6"),
        ({"n_heads": 3}, "n_heads=3 must divide the width 10 of backbone='random'"),
        ({"d_ff_alignment": 0}, "d_ff_alignment=0 must be an integer of at least 1"),
        ({"n_decoder_layers": 0}, "n_decoder_layers=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"activation": "tanh"}, "activation='tanh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
        ({"faithful": 1}, "faithful=1 must be True or False"),
        ({"description": 3}, "description=3 must be a text or None"),
        ({"prompt_decimals": -1}, "prompt_decimals=-1 must be an integer of at least 0"),
        ({"prompt_decimals": 10}, "prompt_decimals=10 must be at most 9"),
        ({"n_kept_prompts": 0.5}, "n_kept_prompts=0.5 must be an integer of at least 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
