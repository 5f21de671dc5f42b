import pytest
import torch

from darts_tsformers.layers.selection.prompt_pool import PromptPool
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

SIZES = [(3, 7, 5, 11, 3, 2), (1, 1, 3, 2, 1, 1), (5, 5, 7, 3, 2, 3)]
sizes = pytest.mark.parametrize(
    ("r", "n", "d", "m", "length", "k"), SIZES, ids=["R{}-N{}-D{}-m{}-l{}-k{}".format(*s) for s in SIZES]
)


def pool_of(n, d, m, length, k, **options):
    return scatter_(PromptPool(n, d, n_prompts=m, prompt_length=length, top_k=k, **options)).double()


def by_hand(pool: PromptPool, x: torch.Tensor) -> tuple[torch.Tensor, list[int], torch.Tensor]:
    """Choose for one sequence."""
    n, d = x.shape
    weight, bias = pool.summary_weight[0], pool.summary_bias[0]
    if pool.faithful:
        pieces = x.flatten()
        summary = torch.stack([sum(weight[j] * pieces[i * n + j] for j in range(n)) + bias for i in range(d)])
    else:
        summary = sum(weight[j] * x[j] for j in range(n)) + bias
    cosines = [summary @ key / (summary.norm() * key.norm()) for key in pool.keys]
    best = sorted(range(len(cosines)), key=lambda i: -float(cosines[i].detach()))[: pool.top_k]
    return torch.cat([pool.prompts[i] for i in best]), best, torch.stack([cosines[i] for i in best])


@sizes
@pytest.mark.parametrize("faithful", [False, True])
def test_it_chooses_the_prompts_with_the_nearest_keys(r, n, d, m, length, k, faithful):
    pool, x = pool_of(n, d, m, length, k, faithful=faithful), draw(r, n, d, dtype=torch.float64)
    chosen, expected = pool(x), [by_hand(pool, one) for one in x]
    assert chosen.prompt.tolist() == [prompt for _, prompt, _ in expected]
    assert_same_with_gradients(chosen.tokens, torch.stack([one for one, _, _ in expected]), [pool.prompts])
    assert_same_with_gradients(chosen.likeness, torch.stack([one for *_, one in expected]), [pool.keys])


def test_the_two_summaries_differ():
    ours, theirs = (pool_of(7, 5, 11, 3, 2, faithful=faithful) for faithful in (False, True))
    theirs.load_state_dict(ours.state_dict())
    x = draw(13, 7, 5, dtype=torch.float64)
    assert (ours(x).prompt != theirs(x).prompt).any()


def test_the_choice_leaves_the_sequence_alone():
    pool, x = pool_of(7, 5, 11, 3, 2), draw(3, 7, 5, dtype=torch.float64).requires_grad_()
    chosen = pool(x)
    assert torch.autograd.grad(chosen.likeness.sum() + chosen.tokens.sum(), x, allow_unused=True) == (None,)


def test_sequences_do_not_see_each_other():
    pool, x = pool_of(7, 5, 11, 3, 2), draw(3, 7, 5, dtype=torch.float64)
    torch.testing.assert_close(pool(x).tokens[1:2], pool(x[1:2]).tokens)


def test_a_sequence_of_zeros_gets_prompts():
    pool = pool_of(7, 5, 11, 3, 2)
    pool.summary_bias.zero_()
    assert pool(torch.zeros(2, 7, 5).double()).likeness.tolist() == [[0, 0], [0, 0]]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_prompts": 0}, "n_prompts=0 must be an integer of at least 1"),
        ({"prompt_length": 0}, "prompt_length=0 must be an integer of at least 1"),
        ({"top_k": 0}, "top_k=0 must be an integer of at least 1"),
        ({"n_prompts": 3, "top_k": 4}, "top_k=4 must be at most n_prompts=3"),
        ({"faithful": 1}, "faithful=1 must be True or False"),
    ],
)
def test_a_bad_argument_is_refused(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        PromptPool(7, 5, **changes)
