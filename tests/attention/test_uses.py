"""What holds for every use of the mechanisms that choose, summarise or make scores of their own."""

import pytest
import torch

from darts_tsformers.attention import HeadSizes, build_attention
from darts_tsformers.layers.transformer.encoder import Encoder
from tests.attention.cases import FORMS
from tests.helpers import draw, exactly, watch_sizes

QUADRATIC = ["synthesizer"]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, (form[0], *form[1].values()))))
either_way = pytest.mark.parametrize("causal", [False, True], ids=["both ways", "causal"])


def built(form, h=3, e=5, n=29):
    return build_attention(form, HeadSizes(h, e, n, n)).eval()


def qkv(b, h, n, e=5, f=7, dtype=torch.float32):
    return [draw(b, h, n, width, seed=seed, dtype=dtype) for seed, width in enumerate((e, e, f))]


@every_form
@pytest.mark.parametrize("moved", [1, 12, 25])
def test_causal_rows_do_not_move_when_the_future_does(form, moved):
    mechanism = built(form)
    tensors = qkv(2, 3, 29, dtype=torch.float64)
    mechanism.double()
    before, _ = mechanism(*tensors, causal=True)
    for t in tensors if mechanism.strictly_causal else tensors[2:]:
        t[..., moved:, :] += 3.0
    after, _ = mechanism(*tensors, causal=True)
    torch.testing.assert_close(before[..., :moved, :], after[..., :moved, :], rtol=0, atol=1e-12)
    assert not torch.equal(before[..., moved:, :], after[..., moved:, :])


@every_form
@either_way
@pytest.mark.parametrize("length", [1, 2, 29])
def test_the_weights_made_the_output(form, causal, length):
    mechanism = built(form).double()
    q, k, v = qkv(2, 3, length, dtype=torch.float64)
    out, weights = mechanism(q, k, v, causal=causal, need_weights=True)
    torch.testing.assert_close(weights @ v, out)
    torch.testing.assert_close(mechanism.weights(q, k, causal=causal), weights)
    assert (weights >= 0).all()
    if causal:
        assert torch.equal(weights, weights.tril())
    if form[0] != "sinkhorn":
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert mechanism(q, k, v, causal=causal)[1] is None


@every_form
@either_way
def test_a_sample_does_not_depend_on_its_batch_mates(form, causal):
    mechanism, tensors = built(form), qkv(3, 3, 29)
    whole, _ = mechanism(*tensors, causal=causal)
    alone, _ = mechanism(*(t[1:2] for t in tensors), causal=causal)
    torch.testing.assert_close(whole[1:2], alone)


@every_form
@either_way
@pytest.mark.parametrize("length", [1, 13])
def test_one_head_is_served(form, causal, length):
    out, _ = built(form, h=1)(*qkv(1, 1, length), causal=causal)
    assert out.shape == (1, 1, length, 7)
    assert out.isfinite().all()


@every_form
@either_way
def test_gradients_equal_finite_differences(form, causal):
    mechanism = built(form, h=2, e=2, n=7).double()
    q, k, v = qkv(1, 2, 7, 2, 3, dtype=torch.float64)
    moving = [v] if form[0] == "ecoformer" else [q, k, v]  # a sign has no finite difference
    fixed = [q, k, v][: 3 - len(moving)]
    for t in moving:
        t.requires_grad_()
    assert torch.autograd.gradcheck(lambda *some: mechanism(*fixed, *some, causal=causal)[0], moving, fast_mode=True)


@every_form
@either_way
def test_bfloat16_is_kept_and_accurate(form, causal):
    mechanism, tensors = built(form), qkv(2, 3, 29, dtype=torch.bfloat16)
    for t in tensors:
        t.requires_grad_()
    wide, _ = mechanism(*(t.detach().float() for t in tensors), causal=causal)
    out, _ = mechanism(*tensors, causal=causal)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), wide, rtol=3e-2, atol=3e-2)
    gradients = torch.autograd.grad(out.sum(), tensors, allow_unused=True)
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


@every_form
@either_way
def test_large_scores_stay_finite(form, causal):
    tensors = [(1e3 * t).requires_grad_() for t in qkv(1, 3, 29)]
    out, _ = built(form)(*tensors, causal=causal)
    gradients = torch.autograd.grad(out.sum(), tensors, allow_unused=True)
    assert out.isfinite().all()
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("form", [form for form in FORMS if form[0] not in QUADRATIC], ids=str)
@either_way
def test_nothing_quadratic_is_built(form, causal):
    length, width = 4099, 2
    name, arguments = form
    longer = {"bucket_size": 32} if name == "reformer" else {}
    mechanism = built((name, arguments | longer), 1, width, length)
    tensors = [t.requires_grad_() for t in qkv(1, 1, length, width, width)]
    with watch_sizes() as seen:
        mechanism(*tensors, causal=causal)
    assert length < max(seen) <= length * 1024


@pytest.mark.parametrize("name", ["combiner", "reformer", "sinkhorn"])
def test_queries_and_keys_of_different_lengths_are_refused(name):
    q, k, v = draw(1, 3, 5, 5), draw(1, 3, 7, 5), draw(1, 3, 7, 2)
    mechanism = built((name, {}))
    with pytest.raises(ValueError, match=exactly(f"{name} needs as many queries as keys, got 5 and 7")):
        mechanism(q, k, v)
    assert not mechanism.supports_cross


@every_form
def test_it_rebuilds_from_its_arguments(form):
    mechanism = build_attention(form)
    assert form[1].items() <= mechanism.config().items()
    assert build_attention(mechanism).config() == mechanism.config()


@every_form
def test_an_encoder_takes_it_by_name(form):
    encoder = Encoder(10, 2, 11, n_layers=2, attention=form, residual_attention=True, n_tokens=13).eval()
    x = draw(3, 13, 10)
    out = encoder(x)
    torch.testing.assert_close(encoder(x[1:2]), out[1:2])
    encoder.train()(x).sum().backward()
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []
