import pickle

import pytest
import torch
from darts.utils.torch import MonteCarloDropout
from torch import nn

from darts_tsformers.adapter.module import SamplingDropout, _let_dropout_sample
from darts_tsformers.layers.dropout import Dropout


@pytest.mark.parametrize("kind", [nn.Dropout, Dropout])
def test_it_is_active_in_training_and_when_darts_asks(kind):
    module = nn.Sequential(kind(0.5))
    _let_dropout_sample(module)
    layer, x = module[0], torch.ones(2**15)
    assert isinstance(layer, SamplingDropout)
    assert isinstance(layer, MonteCarloDropout)
    assert (layer(x) == 0).any()
    layer.eval()
    assert layer(x) is x
    layer._mc_dropout_enabled = True
    assert layer.rate == 0.5
    assert (layer(x) == 0).any()


def test_a_dropout_that_drops_nothing_and_other_kinds_stay():
    module = nn.Sequential(nn.Dropout(0.0), Dropout(0.0), nn.Dropout1d(0.5))
    _let_dropout_sample(module)
    assert [type(child) for child in module] == [nn.Dropout, Dropout, nn.Dropout1d]


def test_it_can_be_pickled():
    module = nn.Sequential(Dropout(0.25))
    _let_dropout_sample(module)
    copy = pickle.loads(pickle.dumps(module))[0]
    assert type(copy) is SamplingDropout
    assert copy.p == 0.25
