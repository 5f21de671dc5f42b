"""What is chosen does not hang on rounding."""

import math
from contextlib import contextmanager
from unittest.mock import patch

import pytest
import torch

from darts_tsformers.attention import AutoCorrelation, ProbSparseAttention
from darts_tsformers.attention._ties import highest
from darts_tsformers.attention.naive import ties as naive
from tests.helpers import draw

every_mechanism = pytest.mark.parametrize(
    "mechanism",
    [AutoCorrelation(factor=2), ProbSparseAttention(factor=2), ProbSparseAttention(factor=2, sampling="per_query")],
    ids=["auto_correlation", "prob_sparse", "prob_sparse per query"],
)


@contextmanager
def threads(n):
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


WAYS = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "exported": lambda: patch.object(torch.compiler, "is_exporting", return_value=True),
    "two threads": lambda: threads(2),
}


def chosen(mechanism, q, k):
    """Return the delays or queries that are chosen, in rows of their order in time."""
    indices = mechanism.delays(q, k)[0] if isinstance(mechanism, AutoCorrelation) else mechanism.select(q, k)
    return indices.sort().values


def equal(t):
    return t[:, :, :1].expand_as(t).contiguous()


def assert_the_first_are_chosen(mechanism, q, k):
    indices = chosen(mechanism, q, k)
    assert torch.equal(indices, torch.arange(indices.shape[-1]).expand_as(indices))


@pytest.mark.parametrize("n", [1, 3, 11])
@pytest.mark.parametrize("seed", range(5))
def test_values_apart_are_the_highest(n, seed):
    values = draw(2, 3, 11, seed=seed)
    taken = highest(values, n, values.abs().amax(-1, keepdim=True))
    assert torch.equal(taken.sort().values, values.topk(n).indices.sort().values)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    ("values", "bound"),
    [
        ([3.0, 1.0, 3.0, 3.0, 2.0], 5.0),
        ([0.0, 0.0, 0.0], 0.0),
        ([1.0, -math.inf, 1.0, -2.0], 2.0),
        ([-math.inf] * 3, 1.0),
        ([1.0, 5.0, 5.0001, 4.0], 5.0),
        ([1.0, 5.0, 5.0001, 4.0], 50.0),
        ([1.0, 5.0, 5.0001, 4.0], 5e6),
    ],
)
def test_of_equals_the_earlier_are_taken_as_in_the_definition(values, bound, n):
    taken = highest(torch.tensor(values, dtype=torch.float64), n, torch.tensor([bound], dtype=torch.float64))
    assert taken.tolist() == naive.highest(values, n, bound)


@pytest.mark.parametrize("level", [0.0, 100.0, -100.0])
@pytest.mark.parametrize("length", [37, 4099])
@pytest.mark.parametrize("above", [0, 5])
def test_rounding_tells_no_values_apart(level, length, above):
    values = torch.full((7, length), level)
    values[:, length - above :] += 3.0
    moved = values + 1e-4 * draw(7, length)
    taken = [*range(11 - above), *range(length - above, length)]
    assert torch.equal(highest(moved, 11, torch.full((7, 1), 1e3)).sort().values, torch.tensor(taken).expand(7, -1))


def test_no_values_are_taken_last():
    values, bound = torch.tensor([-math.inf, -5.0, -math.inf, 2.0]), torch.tensor([5.0])
    assert sorted(highest(values, 2, bound).tolist()) == [1, 3]
    assert sorted(highest(values, 3, bound).tolist()) == [0, 1, 3]


def pairs(mechanism, q, k):
    """Make all queries equal, or all keys; not queries that are measured by a sample each, as they then differ."""
    yield q, equal(k)
    if getattr(mechanism, "sampling", "shared") == "shared":
        yield equal(q), k
        yield equal(q), k[:, :, 3:]


@every_mechanism
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_of_equal_tokens_the_first_are_chosen(mechanism, dtype, level):
    """Of many draws, in some of which products cancel out: what is left of them is rounding alone."""
    mechanism.eval()
    for length in (7, 53, 97):
        for pair in pairs(mechanism, *(level + draw(150, 2, length, 5, seed=seed, dtype=dtype) for seed in range(2))):
            assert_the_first_are_chosen(mechanism, *pair)


@every_mechanism
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_of_equal_tokens_the_first_are_chosen_in_any_way_of_running(mechanism, way):
    mechanism.eval()
    with way():
        for pair in pairs(mechanism, *(draw(150, 2, 53, 5, seed=seed) for seed in range(2))):
            assert_the_first_are_chosen(mechanism, *pair)


@every_mechanism
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("shape", [(2, 3, 1009, 32), (64, 2, 53, 7)])
def test_of_tokens_that_rounding_told_apart_the_first_are_chosen(mechanism, n_threads, shape):
    """Projections of equal tokens differ in the last digit, by the place in the batch and the number of threads."""
    mechanism.eval()
    projection, noise = draw(shape[-1], shape[-1], seed=2), 1 + 1e-7 * draw(*shape, seed=3)
    with threads(n_threads):
        for q, k in pairs(mechanism, *(draw(*shape, seed=seed) for seed in range(2))):
            assert_the_first_are_chosen(
                mechanism, (q * noise) @ projection, (k * noise[:, :, : k.shape[2]]) @ projection
            )


def test_a_batch_that_shares_delays_takes_the_first_of_equals():
    mechanism = AutoCorrelation(factor=2, shared_delays=True).train()
    for seed in range(100):
        q, k = (draw(3, 2, 53, 5, seed=2 * seed + i) for i in range(2))
        assert_the_first_are_chosen(mechanism, equal(q), k)


@every_mechanism
@pytest.mark.parametrize("first", [0, 12])
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_equal_tokens_attend_alike_in_single_and_double_precision(mechanism, first, level):
    """Tokens from the first of these on are one and the same, as those of a horizon of which nothing is known."""
    q, k, v = (level + draw(3, 2, 53, 5, seed=seed, dtype=torch.float64) for seed in range(3))
    q[:, :, first:] = equal(q[:, :, first:])
    if first:
        k[:, :, first:] = equal(k[:, :, first:])
    mechanism.eval()
    found = mechanism(q.float(), k.float(), v.float())[0]
    torch.testing.assert_close(found.double(), mechanism(q, k, v)[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("sampling", ["shared", "per_query"])
def test_causal_queries_that_meet_equal_keys_are_taken_from_the_first_that_meets_one(sampling):
    mechanism = ProbSparseAttention(factor=2, sampling=sampling).eval()
    q, k = draw(7, 2, 53, 5), equal(draw(7, 2, 53, 5, seed=1))
    sample = mechanism._sample(53, 53, torch.device("cpu")).expand(53, -1)
    meets = (sample <= torch.arange(53)[:, None]).any(-1).nonzero().flatten()
    selected = mechanism.select(q, k, causal=True).sort().values
    assert torch.equal(selected, meets[: selected.shape[-1]].expand_as(selected))


@pytest.mark.parametrize("shape", [(1, 8, 4099, 31), (3, 1, 53, 5)])
def test_delays_whose_correlations_differ_are_told_apart(shape):
    """Of a million products of random numbers the sum is a thousandth of its bound: rounding is far below."""
    mechanism = AutoCorrelation(factor=2)
    q, k = (draw(*shape, seed=seed) for seed in range(2))
    delays = chosen(mechanism, q, k)
    best = mechanism.correlation(q.double(), k.double()).topk(delays.shape[-1]).indices
    for ours, theirs in zip(delays.tolist(), best.tolist(), strict=True):
        assert len({*ours} & {*theirs}) >= 0.9 * len(theirs)


@pytest.mark.parametrize("sampling", ["shared", "per_query"])
def test_autocast_does_not_change_which_queries_are_selected(sampling):
    mechanism = ProbSparseAttention(factor=2, sampling=sampling).eval()
    q, k = (draw(3, 2, 211, 5, seed=seed) for seed in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        cast = mechanism.select(q, k)
    assert torch.equal(cast.sort().values, mechanism.select(q, k).sort().values)
