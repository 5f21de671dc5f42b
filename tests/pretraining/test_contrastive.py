from dataclasses import replace

import pytest
import torch

from darts_tsformers.layers.recomputing import let_recompute
from darts_tsformers.networks import AutoTCL, ITransformer, Network, PatchTST
from darts_tsformers.pretraining import Contrastive
from darts_tsformers.pretraining.encoder import head_names
from darts_tsformers.window import Sizes
from tests.helpers import exactly, make_window

SIZES = Sizes(29, 5, n_targets=3, n_past=2)


def patched(sizes: Sizes = SIZES) -> Network:
    return PatchTST(replace(sizes, n_past=0), patch_length=5, stride=3, d_model=8, n_heads=2, d_ff=11)


def variates(sizes: Sizes = SIZES) -> Network:
    return ITransformer(sizes, d_model=8, n_heads=2, d_ff=11)


def dilated(sizes: Sizes = SIZES, **kwargs) -> Network:
    return AutoTCL(sizes, d_hidden=5, d_model=7, n_blocks=2, n_scales=2, d_augmenter=3, **kwargs)


def joint(sizes: Sizes = SIZES) -> Network:
    return dilated(sizes, channel_independent=False)


every_encoder = pytest.mark.parametrize("make", [patched, variates, dilated, joint])


@every_encoder
def test_the_encoder_learns_and_so_do_the_views_but_no_head(make):
    network = make()
    objective, heads = Contrastive(network, kept_weight=9), head_names(network)
    training = objective(network, make_window(network.sizes))
    assert training.forecast is None
    sum(training.penalties.values()).backward()
    learns = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert not learns & heads
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
    assert {name.split(".")[0] for name in learns} >= {name.split(".")[0] for name, _ in network.named_parameters()} - {
        name.split(".")[0] for name in heads
    }
    assert all(p.grad.any() for p in objective.parameters())


@every_encoder
def test_it_draws_the_same_each_time_in_evaluation(make):
    network = make().eval()
    objective, window = Contrastive(network).eval(), make_window(network.sizes)
    first, second = (objective(network, window).penalties for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(objective.train()(network, window).penalties["contrast"], first["contrast"])


def test_recomputing_changes_no_gradient():
    network = patched().eval()
    objective, window = Contrastive(network).eval(), make_window(network.sizes)
    gradients = []
    for recompute in (False, True):
        let_recompute(network, recompute)
        network.zero_grad()
        sum(objective(network, window).penalties.values()).backward()
        gradients.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
    assert gradients[0]
    torch.testing.assert_close(*gradients)


def test_any_number_of_components():
    objective, network = Contrastive(patched()), patched()
    training = objective(network, make_window(replace(SIZES, n_targets=2, n_past=0)))
    assert training.penalties["contrast"].isfinite()


def test_a_bad_setting_is_refused_by_name():
    with pytest.raises(ValueError, match=exactly("hide_rate=1.5 must be in [0, 1)")):
        Contrastive(patched(), hide_rate=1.5)
