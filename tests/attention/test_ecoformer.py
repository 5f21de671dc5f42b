"""EcoFormer: attention by binary codes."""

import pytest
import torch

from darts_tsformers.attention import HeadSizes, build_attention
from darts_tsformers.attention.ecoformer import binary_codes
from darts_tsformers.attention.naive import ecoformer as naive
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

either_way = pytest.mark.parametrize("causal", [False, True], ids=["both ways", "causal"])


def built(h=3, e=5, **arguments):
    mechanism = build_attention(("ecoformer", {"n_bits": 7, "n_anchors": 11} | arguments), HeadSizes(h, e, 13, 13))
    return scatter_(mechanism).double()


def codes_of(mechanism, x, head):
    parts = mechanism.anchors[head], mechanism.mean[head], mechanism.hashes[head], mechanism.width[head].item()
    return naive.codes(x, *parts)


@either_way
@pytest.mark.parametrize(("b", "h", "n", "f"), [(2, 3, 13, 7), (1, 1, 67, 2), (3, 2, 1, 5), (1, 2, 64, 3)])
def test_equals_its_definition(b, h, n, f, causal):
    mechanism = built(h)
    q, k, v = (draw(b, h, n, width, seed=i, dtype=torch.float64).requires_grad_() for i, width in enumerate((5, 5, f)))
    out, weights = mechanism(q, k, v, causal=causal, need_weights=True)
    rows = []
    for i in range(b):
        for j in range(h):
            of_queries, of_keys = (codes_of(mechanism, t[i, j].detach(), j) for t in (q, k))
            assert torch.equal(mechanism.codes(q)[i, j], of_queries)
            rows.append(naive.attend(of_queries, of_keys, v[i, j], causal=causal))
    expected, expected_weights = (torch.stack(one).unflatten(0, (b, h)) for one in zip(*rows, strict=True))
    assert_same_with_gradients(out, expected, [v])
    torch.testing.assert_close(weights, expected_weights)


def test_the_gradient_of_a_sign_is_that_of_what_it_cut_between_minus_one_and_one():
    x = draw(2, 3, 7, 5, dtype=torch.float64).requires_grad_()
    mechanism = built()
    fixed = mechanism.anchors, mechanism.mean, 3 * mechanism.hashes, mechanism.width
    probe = draw(2, 3, 7, 7, seed=1, dtype=torch.float64)
    (found,) = torch.autograd.grad((binary_codes(x, *fixed) * probe).sum(), x)
    unit = x / x.norm(dim=-1, keepdim=True)
    distances = (unit[..., None, :] - fixed[0][:, None]).square().sum(-1)
    sides = ((-distances / (2 * fixed[3][:, None, None])).exp() - fixed[1][:, None]) @ fixed[2].mT
    assert ((sides.abs() > 1).any() and (sides.abs() < 1).any()).item()
    (expected,) = torch.autograd.grad((sides.clamp(-1, 1) * probe).sum(), x)
    torch.testing.assert_close(found, expected)


@either_way
def test_weights_are_above_zero_and_all_parameters_learn(causal):
    mechanism = built()
    q, k, v = (draw(2, 3, 13, 5, seed=i, dtype=torch.float64) for i in range(3))
    out, weights = mechanism(q, k, v, causal=causal, need_weights=True)
    assert (weights.tril() if causal else weights).sum(-1).allclose(torch.ones(2, 3, 13).double())
    assert (weights[..., -1, :] > 0).all()
    out.square().sum().backward()
    assert all(parameter.grad.any() for parameter in mechanism.parameters())


def test_any_length_and_cross_attention_are_served():
    mechanism = built()
    q, k = draw(2, 3, 17, 5, dtype=torch.float64), draw(2, 3, 29, 5, dtype=torch.float64)
    out, weights = mechanism(q, k, k, need_weights=True)
    torch.testing.assert_close(weights @ k, out)
    with pytest.raises(ValueError, match=exactly("causal=True needs as many queries as keys, got 17 and 29")):
        mechanism(q, k, k, causal=True)


def test_what_does_not_fit_is_refused():
    x = draw(1, 2, 7, 5, dtype=torch.float64)
    with pytest.raises(ValueError, match=exactly("EcoFormerAttention was made for n_heads=3, not 2")):
        built()(x, x, x)
    with pytest.raises(ValueError, match=exactly("n_bits=0 must be an integer of at least 1")):
        build_attention(("ecoformer", {"n_bits": 0}))
