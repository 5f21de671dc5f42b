import math

import numpy as np
import pytest

from darts_tsformers.explain import patterns

STEPS = np.arange(60.0)


def attend(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def periodic(period: int, sharpness: float = 2.0, n: int = 60) -> np.ndarray:
    lag = np.arange(n)[:, None] - np.arange(n)
    return attend(sharpness * np.cos(2 * np.pi * lag / period))


def test_a_causal_map_looks_at_nothing_later():
    weights = attend(np.where(STEPS[:, None] < STEPS, -np.inf, 0.0))
    assert patterns.is_causal(weights, STEPS, STEPS)
    assert not patterns.is_causal(weights, STEPS, STEPS + 1)
    assert not patterns.is_causal(np.full((3, 3), 1 / 3), STEPS[:3], STEPS[:3])


@pytest.mark.parametrize("reach", [0, 1, 4])
def test_a_local_map_has_the_window_it_was_made_with(reach):
    near = np.abs(STEPS[:, None] - STEPS) <= reach
    weights = np.stack([near / near.sum(-1, keepdims=True), np.full((60, 60), 1 / 60)])
    assert patterns.local_window(weights, STEPS, STEPS, share=1.0).tolist() == [reach, 59]
    np.testing.assert_allclose(patterns.local_share(weights, STEPS, STEPS, reach), [1, near.mean()])
    assert patterns.local_window(weights, STEPS, STEPS)[1] < 59


def test_distances_are_in_steps_not_in_tokens():
    weights = np.eye(5)[:, ::-1][None]
    patches = np.arange(5) * 8.0
    assert patterns.local_window(weights, patches, patches, share=1.0).tolist() == [32]


@pytest.mark.parametrize("period", [2, 5, 7, 12, 24])
@pytest.mark.parametrize("sharpness", [0.2, 2.0, 8.0])
def test_the_period_of_a_map_is_found(period, sharpness):
    lags, profile = patterns.lag_profile(periodic(period, sharpness, n=97), np.arange(97.0), np.arange(97.0))
    found = patterns.find_period(lags, profile)
    assert found is not None
    assert found.steps == period
    assert found.strength > 0.8


def test_a_period_shows_where_attention_is_all_or_nothing():
    lag = np.arange(60)[:, None] - np.arange(60)
    weights = (lag % 12 == 0) / (lag % 12 == 0).sum(-1, keepdims=True)
    found = patterns.find_period(*patterns.lag_profile(weights, STEPS, STEPS))
    assert found is not None
    assert found.steps == 12


def test_a_period_shows_between_patches():
    n, stride = 40, 8
    at = np.arange(n) * float(stride)
    lag = at[:, None] - at
    found = patterns.find_period(*patterns.lag_profile(attend(np.cos(2 * np.pi * lag / 24)), at, at))
    assert found is not None
    assert found.steps == 24


def test_a_causal_mask_hides_no_period():
    scores = np.where(STEPS[:, None] < STEPS, -np.inf, 2 * np.cos(2 * np.pi * (STEPS[:, None] - STEPS) / 12))
    found = patterns.find_period(*patterns.lag_profile(attend(scores), STEPS, STEPS, STEPS[:, None] >= STEPS))
    assert found is not None
    assert found.steps == 12


@pytest.mark.parametrize("seed", range(20))
def test_noise_has_no_period(seed):
    weights = attend(np.random.default_rng(seed).normal(size=(60, 60)))
    found = patterns.find_period(*patterns.lag_profile(weights, STEPS, STEPS))
    assert found is None or found.strength < 0.6


def test_nothing_has_a_period_that_does_not_vary_or_only_falls():
    lags = np.arange(1, 60)
    assert patterns.find_period(lags, np.ones(59)) is None
    assert patterns.find_period(lags, 1.0 + 1e-4 * np.cos(lags)) is None
    assert patterns.find_period(lags, np.exp(-lags / 3)) is None
    assert patterns.find_period(np.array([1, 2, 4, 8, 16]), np.ones(5)) is None
    assert patterns.find_period(np.array([1, 2, 4, 8, 16, 32, 64]), np.arange(7) % 2) is None


def test_the_profile_over_lags_is_1_where_all_keys_get_the_same():
    for weights in (np.full((7, 7), 1 / 7), np.tril(np.ones((7, 7))) / np.arange(1, 8)[:, None]):
        lags, profile = patterns.lag_profile(weights, np.arange(7.0), np.arange(7.0), weights > 0)
        np.testing.assert_array_equal(lags, range(1, 7))
        np.testing.assert_allclose(profile, 1)


def test_entropy_is_0_for_one_key_and_1_for_all_alike():
    weights = np.stack([np.eye(5), np.full((5, 5), 0.2), np.tile([0.5, 0.5, 0, 0, 0], (5, 1))])
    entropy = patterns.relative_entropy(weights)
    np.testing.assert_allclose(entropy, np.broadcast_to([[0], [1], [math.log(2) / math.log(5)]], (3, 5)), atol=1e-12)
    causal = np.tril(np.ones((5, 5))) / np.arange(1, 6)[:, None]
    by_row = patterns.relative_entropy(causal, causal > 0)
    assert np.isnan(by_row[0])
    np.testing.assert_allclose(by_row[1:], 1)


def test_the_top_share_is_that_of_one_column():
    one_key = np.zeros((4, 3))
    one_key[:, 1] = 1
    np.testing.assert_allclose(patterns.top_share(np.stack([one_key, np.full((4, 3), 1 / 3)])), [1, 1 / 3])


def test_the_densest_span_is_the_shortest_that_holds_the_share():
    profile = np.full(20, 0.01)
    profile[7:10] = 0.2
    assert patterns.densest_span(profile, 0.6) == slice(7, 10)
    assert patterns.densest_span(np.ones(4)) == slice(2, 4)
    assert patterns.densest_span(np.array([0.0, 0.0, 1.0])) == slice(2, 3)
    assert patterns.densest_span(np.ones(1)) == slice(0, 1)
