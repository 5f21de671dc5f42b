"""What a language model answers to tokens."""

import pytest
import torch

from darts_tsformers.language import language_model
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, draw, scatter_
from tests.language.languages import ARCHITECTURES, SIZES, untrained

every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
MASKS = {
    "left": [[0, 0, 0, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 1, 1]],
    "right": [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "holes": [[0, 1, 0, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 0]],
}


@every_architecture
def test_the_states_of_words_are_those_of_their_embeddings(architecture):
    model = untrained(architecture)
    ids = torch.tensor(model.tokenize(["seven", "three"]))
    expected = model.transformer(input_ids=ids).last_hidden_state
    torch.testing.assert_close(model(model.embed(ids)), expected)
    assert torch.equal(model.embed(ids), model.table[ids])
    assert expected.shape == (2, 5, model.d_model)


@every_architecture
@pytest.mark.parametrize("mask", MASKS)
def test_what_is_not_there_does_not_matter(architecture, mask):
    model, tokens = untrained(architecture), draw(3, 5, 6)
    observed = torch.tensor(MASKS[mask], dtype=torch.bool)
    states = model(tokens.masked_fill(~observed[..., None], torch.nan), observed)
    for row, there, state in zip(tokens, observed, states, strict=True):
        torch.testing.assert_close(state[there], model(row[there][None])[0], rtol=1e-5, atol=1e-6)
        assert not state[~there].any()


@every_architecture
def test_decoders_look_back_only(architecture):
    model, tokens = untrained(architecture), draw(2, 5, 6)
    changed = torch.cat([tokens[:, :3], draw(2, 2, 6, seed=1)], dim=1)
    same = torch.equal(model(tokens)[:, :3], model(changed)[:, :3])
    assert same == (architecture != "bert") == (not model.looks_ahead)


@pytest.mark.parametrize("architecture", ["fnet", "deberta", "mpnet"])
def test_encoders_are_known_by_what_they_do(architecture):
    assert untrained(architecture, d_model=8, n_heads=2).looks_ahead


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "openai-gpt"])
@pytest.mark.parametrize("mask", [None, *MASKS])
def test_what_all_sequences_begin_with_is_as_if_each_had_it(architecture, mask):
    double = {"dtype": torch.float64}
    model, tokens, before = untrained(architecture).double(), draw(3, 5, 6, **double), draw(4, 6, seed=1, **double)
    tokens.requires_grad_()
    observed = None if mask is None else torch.tensor(MASKS[mask], dtype=torch.bool)
    whole = torch.cat([before.expand(3, -1, -1), tokens], dim=1)
    there = None if observed is None else torch.cat([torch.ones(3, 4, dtype=torch.bool), observed], dim=1)
    assert_same_with_gradients(model(tokens, observed, before), model(whole, there)[:, 4:], [tokens])


@every_architecture
def test_a_decoder_reads_once_what_all_sequences_begin_with(architecture):
    model, tokens, before = untrained(architecture), draw(3, 5, 6), draw(4, 6, seed=1)
    read: list[tuple[int, ...]] = []
    model.backbone.register_forward_pre_hook(
        lambda _, __, given: read.append(tuple(given["inputs_embeds"].shape)), with_kwargs=True
    )
    assert model.looks_ahead == (architecture == "bert")
    read.clear()
    model(tokens, before=before)
    assert read == ([(3, 9, 6)] if architecture == "bert" else [(1, 4, 6), (3, 5, 6)])


def test_adapters_learn_from_what_all_sequences_begin_with():
    tokens, before = draw(3, 5, 6), draw(4, 6, seed=1)
    one, other = (scatter_(language_model("random", backbone_sizes=SIZES, lora_rank=2)) for _ in range(2))
    one(tokens, before=before).square().sum().backward()
    other(torch.cat([before.expand(3, -1, -1), tokens], dim=1))[:, 4:].square().sum().backward()
    learnt = [name for name, weight in one.named_parameters() if weight.requires_grad]
    assert learnt
    for name in learnt:
        torch.testing.assert_close(one.get_parameter(name).grad, other.get_parameter(name).grad, rtol=1e-4, atol=1e-5)


@every_architecture
@pytest.mark.parametrize("mask", ["left", "holes"])
def test_attention_is_recorded_at_the_places_of_the_tokens(architecture, mask):
    model, tokens = untrained(architecture), draw(3, 5, 6)
    observed = torch.tensor(MASKS[mask], dtype=torch.bool)
    plain = model(tokens, observed)
    with recording("attention") as record:
        torch.testing.assert_close(model(tokens, observed), plain)
    modules = dict(model.named_modules())
    assert [entry.module for entry in record["attention"]] == [modules[path] for path in model.attention_layers()]
    assert len(record["attention"]) == 2
    for entry in record["attention"]:
        weights = entry.tensors["weights"]
        assert weights.shape == (3, 3, 5, 5)
        there = observed[:, None, :, None].expand_as(weights[..., :1])
        torch.testing.assert_close(weights.sum(-1, keepdim=True)[there], torch.ones(there.sum()))
        assert not weights[(there & ~observed[:, None, None, :])].any()
    assert torch.equal(model(tokens, observed), plain)


@every_architecture
def test_gradients_reach_the_tokens_and_nothing_of_it(architecture):
    model, tokens = untrained(architecture), draw(2, 5, 6).requires_grad_()
    model.train()(tokens).square().sum().backward()
    assert tokens.grad is not None
    assert tokens.grad.any()
    assert all(parameter.grad is None for parameter in model.parameters())


@every_architecture
def test_dropout_acts_only_once_something_of_it_is_trained(architecture):
    model, tokens = untrained(architecture, **DROPOUT[architecture]), draw(2, 5, 6)
    model.train()
    assert torch.equal(model(tokens), model(tokens))
    model.requires_grad_(True).train()
    assert not torch.equal(model(tokens), model(tokens))


DROPOUT = {
    "gpt2": {"resid_pdrop": 0.5},
    "llama": {"attention_dropout": 0.5},
    "opt": {"dropout": 0.5},
    "bert": {"hidden_dropout_prob": 0.5},
}


@every_architecture
def test_it_computes_in_double_precision(architecture):
    model, tokens = untrained(architecture), draw(2, 5, 6)
    states = model(tokens)
    doubled = model.double()(tokens.double())
    assert doubled.dtype == torch.float64
    torch.testing.assert_close(doubled.float(), states, rtol=1e-4, atol=1e-5)


def test_more_tokens_than_positions_are_refused():
    with pytest.raises(ValueError, match="backbone='gpt2' reads 4 tokens at most, not 5"):
        untrained(n_positions=4)(draw(1, 5, 6))
    with pytest.raises(ValueError, match="backbone='gpt2' reads 4 tokens at most, not 5"):
        untrained(n_positions=4)(draw(1, 3, 6), before=draw(2, 6))


def test_positions_that_are_counted_from_the_padding_on_are_fewer():
    model = untrained("roberta", max_position_embeddings=7, pad_token_id=1)
    assert model(draw(1, 5, 6)).shape == (1, 5, 6)
    with pytest.raises(ValueError, match="backbone='roberta' reads 5 tokens at most, not 6"):
        model(draw(1, 6, 6))
