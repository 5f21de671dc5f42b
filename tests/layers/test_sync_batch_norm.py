"""Lightning's `sync_batchnorm=True` reaches our batch normalisation and changes no forecast."""

import torch

from darts_tsformers.layers.norm import build_norm
from tests.helpers import draw, scatter_


def test_batch_norm_can_be_made_to_see_all_processes():
    norm = scatter_(build_norm("batch", 7))
    norm(draw(3, 5, 7, seed=1))
    x = draw(2, 3, 7)
    before = norm.eval()(x)
    synchronised = torch.nn.SyncBatchNorm.convert_sync_batchnorm(norm)
    assert [type(part) for part in synchronised.children()] == [torch.nn.SyncBatchNorm]
    torch.testing.assert_close(synchronised.eval()(x), before)
    assert synchronised.train()(x[:1, :1]).shape == (1, 1, 7)
