import math

import pytest
import torch

from darts_tsformers.layers.contrastive.losses import (
    consistency,
    excess,
    info_nce,
    local_info_nce,
    mean_discrepancy,
)
from tests.helpers import assert_same_with_gradients, draw
from tests.layers.contrastive import _naive as naive


def leaves(batch: int = 3, length: int = 11, width: int = 5) -> list[torch.Tensor]:
    return [draw(batch, length, width, seed=seed, dtype=torch.float64).requires_grad_() for seed in (1, 2)]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_info_nce_equals_its_definition(temperature):
    x, view = leaves()
    expected = naive.info_nce(x, view, temperature)
    assert_same_with_gradients(info_nce(x, view, temperature=temperature), expected, [x, view])


@pytest.mark.parametrize(("length", "n_crops", "start"), [(11, 4, 0), (37, 16, 5), (17, 5, 2), (7, 7, 0)])
def test_local_info_nce_equals_its_definition(length, n_crops, start):
    x, _ = leaves(length=length)
    expected = naive.local_info_nce(x, n_crops, start)
    assert_same_with_gradients(local_info_nce(x, n_crops=n_crops, start=start), expected, [x])


def test_local_info_nce_has_at_most_one_crop_a_step():
    x, _ = leaves(length=7)
    torch.testing.assert_close(local_info_nce(x, n_crops=16), local_info_nce(x, n_crops=7))


def test_local_info_nce_is_a_mean_over_samples():
    x, _ = leaves(length=17)
    torch.testing.assert_close(local_info_nce(x), torch.stack([local_info_nce(one[None]) for one in x]).mean())


def test_too_few_crops_teach_nothing():
    x, _ = leaves(length=3)
    local_info_nce(x).backward()
    assert local_info_nce(x) == 0
    assert not x.grad.any()


@pytest.mark.parametrize("batch", [1, 3])
def test_mean_discrepancy_equals_its_definition(batch):
    x, view = leaves(batch=batch)
    assert_same_with_gradients(mean_discrepancy(x, view), naive.mean_discrepancy(x, view), [x, view])


def test_equal_sets_do_not_differ():
    x, _ = leaves()
    torch.testing.assert_close(mean_discrepancy(x, x.flip(0)).item(), 0.0)
    same = torch.ones(2, 3, 5, requires_grad=True)
    mean_discrepancy(same, same).backward()
    assert same.grad.isfinite().all()


def test_bfloat16_is_kept_and_accurate():
    x, view = (leaf.detach().bfloat16() for leaf in leaves())
    out = mean_discrepancy(x, view)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), mean_discrepancy(x.float(), view.float()), rtol=1e-2, atol=1e-2)


def test_a_batch_of_one_teaches_nothing_about_others():
    x, view = leaves(batch=1)
    assert info_nce(x, view) == 0


def test_a_uniform_batch_cannot_be_told_apart():
    x = torch.ones(7, 3, 5)
    torch.testing.assert_close(info_nce(x, x).item(), math.log(7))


def test_what_is_kept_beyond_a_share():
    kept = torch.tensor([[[0.2], [0.9]], [[0.6], [0.7]]])
    torch.testing.assert_close(excess(kept, 0.4).item(), 0.2)
    assert excess(kept, 0.7) == 0


def test_consistency_equals_its_definition():
    kept = leaves()[0].sigmoid().detach().requires_grad_()
    centres, others = torch.tensor([[1, 5, 9], [2, 2, 3], [4, 8, 7]]), torch.tensor([[2, 0, 3], [2, 9, 10], [0, 7, 9]])
    expected = naive.consistency(kept, centres, others)
    assert_same_with_gradients(consistency(kept, centres, others), expected, [kept])


def test_a_mask_in_blocks_is_more_consistent_than_one_that_flickers():
    centres, others = torch.tensor([[2, 3, 8, 9]]), torch.tensor([[9, 8, 3, 2]])
    blocks, flicker = torch.tensor([0, 1]).repeat_interleave(6), torch.tensor([0, 1]).repeat(6)
    losses = [consistency(kept[None, :, None].float(), centres, others).item() for kept in (blocks, flicker)]
    assert losses == [0, 2]


def test_consistency_is_of_time_and_not_of_the_batch():
    kept, centres, others = draw(2, 11, 3).sigmoid(), torch.tensor([[1, 5], [9, 2]]), torch.tensor([[7, 0], [3, 4]])
    alone = [consistency(kept[i : i + 1], centres[i : i + 1], others[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(consistency(kept, centres, others), torch.stack(alone).mean())
