"""Attending from the last rows alone gives what the whole gives there."""

import pytest
import torch

from darts_tsformers.attention import HeadSizes, attention_names, build_attention
from tests.helpers import draw, watch_sizes


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("attention", attention_names())
def test_the_last_rows_of_any_mechanism_are_those_of_the_whole(attention, causal):
    mechanism = build_attention(attention, HeadSizes(n_heads=3, d_head=5, n_queries=17, n_keys=17)).eval()
    if causal and not mechanism.supports_causal:
        pytest.skip("not causal")
    q, k, v = (draw(2, 3, 17, 5, seed=seed) for seed in range(3))
    out, weights = mechanism(q, k, v, causal=causal, need_weights=True)
    last, last_weights = mechanism.last_rows(q, k, v, 4, causal=causal, need_weights=True)
    torch.testing.assert_close(last, out[..., -4:, :])
    torch.testing.assert_close(last_weights, weights[..., -4:, :])


def test_exact_attention_computes_no_other_row():
    length, n = 1031, 7
    q, k, v = (draw(1, 2, length, 3, seed=seed) for seed in range(3))
    with watch_sizes() as seen:
        build_attention("full").last_rows(q, k, v, n, causal=True, need_weights=True)
    assert max(seen) <= 2 * length * n
