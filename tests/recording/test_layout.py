import pytest
import torch
import torch.nn.functional as F

from darts_tsformers.layers.transformer.patching import Patching
from darts_tsformers.networks import Informer
from darts_tsformers.recording.layout import TimeAxis, horizon, look_back, patches, steps
from darts_tsformers.window import Sizes


def steps_of(axis: TimeAxis, token: int) -> set[int]:
    return set(range(axis.first[token], axis.last[token] + 1))


def test_steps_count_from_the_last_one_seen():
    sizes = Sizes(7, 3, output_shift=2)
    assert look_back(sizes).first == (-6, -5, -4, -3, -2, -1, 0)
    assert horizon(sizes).first == (3, 4, 5)
    assert (steps(-1, 0) + steps(3, 3)).last == (-1, 0, 3)
    assert look_back(sizes)[-2:] == steps(-1, 0)


@pytest.mark.parametrize("pad_end", [True, False])
@pytest.mark.parametrize(
    ("length", "patch_length", "stride"), [(23, 5, 3), (16, 16, 8), (24, 8, 8), (17, 2, 7), (5, 1, 1)]
)
def test_a_patch_holds_the_steps_of_its_span(length, patch_length, stride, pad_end):
    patching = Patching(length, patch_length, stride, pad_end=pad_end)
    offsets = torch.arange(1.0 - length, 1.0).view(1, 1, -1)
    axis = patching.axis()
    assert len(axis) == patching.n_patches
    for token, patch in enumerate(patching(offsets)[0, 0]):
        assert {int(x) for x in patch} == steps_of(axis, token)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 13, 24])
def test_a_pooled_token_spans_what_its_maximum_is_taken_over(length):
    axis = steps(1 - length, 0)
    for _ in range(2):
        pooled = axis.pooled()
        values = torch.eye(len(axis)).unsqueeze(1)
        reached = F.max_pool1d(values, kernel_size=3, stride=2, padding=1)[:, 0] > 0
        assert len(pooled) == reached.shape[1]
        for token in range(len(pooled)):
            under = [steps_of(axis, int(i)) for i in reached[:, token].nonzero()]
            assert steps_of(pooled, token) == set().union(*under)
        axis = pooled


def test_replicas_see_the_last_steps_and_join_their_memories():
    model = Informer(Sizes(16, 3), replica_layers=(3, 1), d_model=8, n_heads=2, d_ff=5)
    layouts = model.layouts()
    assert set(layouts) == set(model.attention_layers())
    assert layouts["encoders.1.layers.0.attention"].axes[0] == steps(-7, 0)
    deepest = steps(-15, 0).pooled().pooled()
    assert layouts["decoder_layers.0.cross_attention"].axes == (steps(-7, 3), deepest + steps(-7, 0))


def test_without_distilling_every_layer_sees_steps():
    layouts = Informer(Sizes(9, 2), distil=False, d_model=8, n_heads=2, d_ff=5).layouts()
    assert layouts["encoders.0.layers.1.attention"].axes[1] == steps(-8, 0)


def test_patches_beyond_the_end_stand_for_the_last_step():
    assert patches(3, 2, 1, 7) == TimeAxis((-2, 0), (-2, 0))
