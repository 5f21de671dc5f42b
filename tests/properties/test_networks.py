"""What holds for every window, whatever its sizes and values."""

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_tsformers.networks import Forecaster, ITransformer, PatchTST
from darts_tsformers.window import Sizes
from tests.helpers import make_window, rows, scatter_

properties = settings(max_examples=15, deadline=None, derandomize=True, database=None)
every_size = st.builds(
    Sizes,
    input_length=st.integers(5, 19),
    output_length=st.integers(1, 7),
    n_targets=st.integers(1, 5),
    n_past=st.integers(0, 2),
    n_future=st.integers(0, 2),
    n_static=st.integers(0, 2),
)
small = st.integers(1, 5)
seeds = st.integers(0, 99)


def patchtst(sizes: Sizes, stride: int, seed: int, **kwargs) -> PatchTST:
    network = PatchTST(sizes, patch_length=3, stride=stride, d_model=6, n_heads=2, n_encoder_layers=2, d_ff=5, **kwargs)
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(3.0)
    return scatter_(network, seed).double().eval()


def itransformer(sizes: Sizes, _: int, seed: int) -> ITransformer:
    return scatter_(ITransformer(sizes, d_model=6, n_heads=2, n_encoder_layers=2, d_ff=5), seed).double().eval()


networks = st.sampled_from([patchtst, itransformer])


@properties
@given(networks, every_size, small, seeds, st.permutations(range(5)))
def test_permuting_the_batch_permutes_the_forecast(build, sizes, stride, seed, order):
    model = Forecaster(build(sizes, stride, seed))
    window = make_window(sizes, 5, seed=seed, dtype=torch.float64)
    order = torch.tensor(order)
    torch.testing.assert_close(model(window)[order], model(rows(window, order)))


@properties
@given(networks, every_size, small, seeds, st.integers(0, 4))
def test_a_forecast_does_not_depend_on_its_batch_mates(build, sizes, stride, seed, which):
    model = Forecaster(build(sizes, stride, seed))
    window = make_window(sizes, 5, seed=seed, dtype=torch.float64)
    alone = slice(which, which + 1)
    torch.testing.assert_close(model(window)[alone], model(rows(window, alone)))


@properties
@given(networks, every_size, small, seeds, st.floats(1e-1, 1e4), st.floats(-1e4, 1e4))
def test_scaling_and_shifting_the_target_scales_and_shifts_the_forecast(build, sizes, stride, seed, scale, shift):
    model = Forecaster(build(sizes, stride, seed))
    window = make_window(sizes, seed=seed, dtype=torch.float64)
    moved = replace(window, target=scale * window.target + shift)
    torch.testing.assert_close(scale * model(window) + shift, model(moved), rtol=1e-6, atol=1e-6 * (scale + abs(shift)))


@properties
@given(networks, every_size, small, seeds, st.data())
def test_permuting_the_variates_permutes_the_forecast(build, sizes, stride, seed, data):
    model = Forecaster(build(sizes, stride, seed))
    window = make_window(sizes, seed=seed, dtype=torch.float64)
    order = torch.tensor(data.draw(st.permutations(range(sizes.n_targets))))
    static = None if window.static is None else window.static[:, order]
    moved = replace(window, target=window.target[..., order], static=static)
    torch.testing.assert_close(model(window)[:, :, order], model(moved))


@properties
@given(every_size, small, seeds)
def test_channels_of_patchtst_do_not_depend_on_each_other(sizes, stride, seed):
    model = Forecaster(patchtst(sizes, stride, seed))
    window = make_window(sizes, seed=seed, dtype=torch.float64)
    static = None if window.static is None else window.static[:, :1]
    alone = replace(window, target=window.target[..., :1], static=static)
    torch.testing.assert_close(model(window)[:, :, :1], model(alone))
