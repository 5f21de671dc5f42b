"""Where sparsity is total, or features are many, they are exact attention; and what is special of each mechanism."""

import pytest
import torch
import torch.nn.functional as F

from darts_tsformers.attention import (
    HeadSizes,
    LinformerAttention,
    LocalAttention,
    NPRFAttention,
    PerformerAttention,
    SparseAttention,
    _features,
    build_attention,
    nprf,
)
from darts_tsformers.attention.naive.full import full_attention
from darts_tsformers.attention.performer import drawn, exponent_to_take_off, softmax_features
from tests.attention.cases import qkv
from tests.helpers import assert_same_with_gradients, draw, exactly

either_way = pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])


@either_way
@pytest.mark.parametrize(
    "mechanism",
    [
        LocalAttention(28),
        LocalAttention(29, whole_blocks=True),
        LocalAttention(1, global_at=range(29)),
        SparseAttention("strided", 29),
        SparseAttention("strided", 1),
        SparseAttention("fixed", 29),
        SparseAttention("fixed", 7, n_summaries=7, parts="far"),
    ],
    ids=["window", "block", "all global", "long stride", "stride of 1", "one block", "all summaries"],
)
def test_a_pattern_that_sees_all_is_exact_attention(mechanism, causal):
    heads = qkv(2, 3, 29, 5, 7)
    out, weights = mechanism(*heads, causal=causal, need_weights=True)
    expected, expected_weights = full_attention(*heads, causal=causal)
    assert_same_with_gradients(out, expected, heads)
    torch.testing.assert_close(weights, expected_weights)


def test_a_mixture_for_each_key_is_exact_attention():
    mechanism = build_attention(LinformerAttention(29), HeadSizes(3, 5, 29, 29)).double()
    heads = qkv(2, 3, 29, 5, 7)
    with torch.no_grad():
        for mixing in mechanism.parameters():
            mixing.copy_(torch.eye(29))
    assert_same_with_gradients(mechanism(*heads)[0], full_attention(*heads)[0], heads)


@either_way
def test_many_features_come_near_to_exact_attention(causal):
    q, k, v = (t.detach() for t in qkv(2, 3, 29, 5, 7))
    heads = q / 2, k / 2, v  # the variance grows fast with the norms
    exact = full_attention(*heads, causal=causal)[0]
    errors = [
        (PerformerAttention(m).eval()(*heads, causal=causal)[0] - exact).square().mean().sqrt() for m in (20, 2000)
    ]
    assert errors[1] < 0.05
    assert errors[1] < errors[0] / 4


@either_way
def test_equal_biases_leave_the_features_of_unit_vectors_alone(causal):
    q, k, v = (t.detach() for t in qkv(2, 3, 29, 5, 7))
    mechanism = build_attention(NPRFAttention(11), HeadSizes(3, 5, 29, 29)).double().eval()
    mechanism.bias.data.fill_(0.7)
    units = [F.normalize(x, dim=-1) for x in (q, k)]
    rows = torch.from_numpy(drawn(11, 5, training=False))
    weights = torch.stack([(a[:, :, :, None] + b[:, :, None]) @ rows.mT for a, b in [units]])[0].exp().sum(-1)
    weights = weights.tril() if causal else weights
    torch.testing.assert_close(mechanism(q, k, v, causal=causal)[0], weights @ v / weights.sum(-1, keepdim=True))


def test_a_bias_far_above_the_others_singles_its_distance_out():
    mechanism = build_attention(NPRFAttention(), HeadSizes(1, 3, 29, 29)).double().eval()
    mechanism.bias.data[0, 28 - 6] = 40.0
    q, k, v = (t.detach() for t in qkv(2, 1, 29, 3, 5))
    torch.testing.assert_close(mechanism(q, k, v)[0][:, :, 6:], v[:, :, :-6])


@either_way
@pytest.mark.parametrize("length", [129, 251])
def test_transforms_in_single_precision_are_accurate(length, causal):
    mechanism = build_attention(NPRFAttention(), HeadSizes(2, 5, length, length)).eval()
    mechanism.bias.data.copy_(draw(*mechanism.bias.shape))
    heads = [t.detach() for t in qkv(2, 2, length, 5, 7, torch.float32)]
    found, _ = mechanism(*heads, causal=causal)
    exact, _ = mechanism.double()(*(t.double() for t in heads), causal=causal)
    torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-5)


def test_a_length_to_transform_is_the_least_of_its_kind():
    good = sorted(odd << power for odd in (1, 3, 5, 9, 15, 25, 45) for power in range(12))
    for least in range(1, 999):
        assert nprf.transform_length(least) == next(n for n in good if n >= least)


def test_rows_of_a_projection_are_orthogonal_in_groups_and_as_long_as_gaussian_ones():
    rows = torch.from_numpy(drawn(17, 5, training=False))
    products = rows[5:10] @ rows[5:10].mT
    torch.testing.assert_close(products, torch.diag(products.diagonal()))
    many = torch.from_numpy(drawn(5000, 5, training=False))
    assert abs(many.square().sum(-1).mean() - 5) < 0.2
    assert many.mean(0).abs().max() < 0.1


@pytest.mark.parametrize("mechanism", [PerformerAttention(), NPRFAttention()], ids=["performer", "nprf"])
def test_features_are_drawn_anew_in_training_and_fixed_in_evaluation(mechanism):
    mechanism = build_attention(mechanism, HeadSizes(2, 5, 11, 11)).double()
    heads = [t.detach() for t in qkv(1, 2, 11, 5, 5)]
    torch.manual_seed(0)
    first, second = mechanism(*heads)[0], mechanism(*heads)[0]
    assert not torch.allclose(first, second)
    torch.manual_seed(0)
    assert torch.equal(mechanism(*heads)[0], first)
    state = torch.get_rng_state()
    mechanism.eval()
    assert torch.equal(mechanism(*heads)[0], mechanism(*heads)[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_features_of_wide_keys_stay_finite_in_the_causal_form():
    rows = drawn(300, 256, training=False)
    constant = exponent_to_take_off(rows)
    assert constant > 0
    projection = torch.from_numpy(rows).float()
    worst = projection * 256**0.25  # each as it would have to be to make the largest exponential
    features = softmax_features(worst[None, None], projection, of_keys=True, constant=constant)
    assert features.isfinite().all()
    assert exponent_to_take_off(drawn(44, 16, training=False)) == 0


def test_heads_take_turns():
    heads = [t.detach() for t in qkv(2, 3, 29, 5, 7)]
    together, _ = SparseAttention("strided", 6, parts="alternate")(*heads)
    for head, parts in enumerate(("near", "far", "near")):
        alone, _ = SparseAttention("strided", 6, parts=parts)(*(t[:, head : head + 1] for t in heads))
        torch.testing.assert_close(together[:, head : head + 1], alone)


@pytest.mark.parametrize(
    ("mechanism", "groups"),
    [
        (LocalAttention(3), {"self": [0], "local": [1, 2, 3]}),
        (LocalAttention(3, dilation=4), {"self": [0], "local": [4, 8]}),
        (LocalAttention(3, whole_blocks=True), {}),
        (SparseAttention("strided", 3), {"self": [0], "local": [1, 2], "strides": [3, 6, 9]}),
        (SparseAttention("strided", 3, parts="far"), {"self": [0], "strides": [3, 6, 9]}),
        (SparseAttention("strided", 3, parts="near"), {"self": [0], "local": [1, 2]}),
        (SparseAttention("fixed", 3), {}),
    ],
)
def test_distances_of_a_pattern_are_named(mechanism, groups):
    assert mechanism.distance_groups(12) == groups


def test_the_stride_is_the_root_of_the_length_unless_given():
    assert [SparseAttention()._stride(n) for n in (1, 2, 4, 5, 16, 17)] == [1, 2, 2, 3, 4, 5]
    assert SparseAttention(stride=7)._stride(100) == 7


@pytest.mark.parametrize("mechanism", [LinformerAttention(), NPRFAttention()], ids=["Linformer", "NPRF"])
def test_it_must_be_made_for_a_layer_and_serves_shorter_inputs_alone(mechanism):
    name = type(mechanism).__name__
    with pytest.raises(ValueError, match=f"{name} has parameters of its own: call fit_to"):
        mechanism(*qkv(1, 2, 5, 3, 3, torch.float32))
    fitted = build_attention(mechanism, HeadSizes(2, 3, n_queries=7, n_keys=7))
    assert fitted(*qkv(1, 2, 5, 3, 3, torch.float32))[0].shape == (1, 2, 5, 3)
    with pytest.raises(ValueError, match=exactly(f"{name} was made for at most n_queries=7, not 8")):
        fitted(*qkv(1, 2, 8, 3, 3, torch.float32))


@either_way
@pytest.mark.parametrize("attention", ["linear", "performer"])
@pytest.mark.parametrize("elements", [1, 1000])
def test_heads_by_parts_are_the_whole(elements, attention, causal, monkeypatch):
    mechanism, heads = build_attention(attention).eval(), qkv(2, 3, 29, 5, 7)
    whole, _ = mechanism(*heads, causal=causal)
    monkeypatch.setattr(_features, "ELEMENTS", elements)
    assert_same_with_gradients(mechanism(*heads, causal=causal)[0], whole, heads)
