"""One row at a time is the whole, row by row."""

import pytest
import torch

from darts_tsformers.attention import Attention, FullAttention, LogSparseAttention
from darts_tsformers.attention.naive.full import full_attention
from tests.helpers import draw, watch_sizes


class ByItsDefinition(Attention):
    """A mechanism that has no short form for one row."""

    def forward(self, q, k, v, *, causal=False, need_weights=False):
        out, weights = full_attention(q, k, v, causal=causal)
        return out, weights if need_weights else None


MECHANISMS = [
    ByItsDefinition(),
    FullAttention(),
    LogSparseAttention(),
    LogSparseAttention("local", 5),
    LogSparseAttention("restart", 7),
    LogSparseAttention("local+restart", 13),
    LogSparseAttention("local+restart"),
    LogSparseAttention("local+restart", 2),
]


def named(mechanism):
    return type(mechanism).__name__ + "".join(f"-{value}" for value in mechanism.config().values())


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=named)
@pytest.mark.parametrize("length", [1, 2, 3, 29])
def test_each_row_is_that_of_the_whole_whatever_stands_behind_it(mechanism, length):
    q, k, v = (draw(3, 2, length, width, seed=width, dtype=torch.float64) for width in (5, 5, 7))
    whole, _ = mechanism(q, k, v, causal=True)
    for row in range(length):
        open_rows = [t.clone() for t in (q, k, v)]
        for t in open_rows:
            t[..., row + 1 :, :] = 1e3
        torch.testing.assert_close(mechanism.row(*open_rows, row), whole[..., row : row + 1, :])


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=named)
@pytest.mark.parametrize("length", [1, 2, 3, 29])
def test_each_sample_may_attend_from_a_row_of_its_own(mechanism, length):
    q, k, v = (draw(length, 2, length, width, seed=width, dtype=torch.float64) for width in (5, 5, 7))
    rows = torch.randperm(length, generator=torch.Generator().manual_seed(0))
    found = mechanism.row_of_each(q, k, v, rows)
    for sample, row in enumerate(rows.tolist()):
        theirs = mechanism.row(q[sample : sample + 1], k[sample : sample + 1], v[sample : sample + 1], row)
        torch.testing.assert_close(found[sample : sample + 1], theirs)


def test_one_row_looks_at_the_few_keys_it_sees():
    q, k, v = (draw(1, 1, 997, 3, seed=seed) for seed in range(3))
    with watch_sizes() as sizes:
        LogSparseAttention().row(q, k, v, 996)
    assert max(sizes) == 3 * len({996, *(996 - 2**i for i in range(10))})


def test_one_row_of_exact_attention_never_forms_the_others():
    q, k, v = (draw(1, 1, 997, 3, seed=seed) for seed in range(3))
    with watch_sizes() as sizes:
        FullAttention().row(q, k, v, 500)
    assert max(sizes) <= 997 * 3
