import pytest
import torch

from darts_tsformers.layers.frequency.fourier import FourierAttention, FourierBlock
from darts_tsformers.layers.frequency.wavelet import MultiwaveletAttention, MultiwaveletBlock
from darts_tsformers.networks import FEDformer
from darts_tsformers.window import Sizes, Window
from tests.helpers import exactly, make_window, rows, scatter_

TINY = {"d_model": 6, "n_heads": 3, "d_ff": 11, "kernel_sizes": (3, 8), "modes": 5, "dropout": 0.0}
TREE = {"wavelet_channels": 2, "wavelet_order": 3, "n_coarse_levels": 1}
both_versions = pytest.mark.parametrize("version", ["fourier", "wavelet"])


def sizes(input_length: int = 17, output_length: int = 7, **changes: int) -> Sizes:
    return Sizes(input_length, output_length, **({"n_targets": 3} | changes))


def network(problem: Sizes | None = None, **arguments) -> FEDformer:
    return scatter_(FEDformer(problem or sizes(), **(TINY | TREE | arguments))).double().eval()


def window_of(problem: Sizes) -> Window:
    return make_window(problem, dtype=torch.float64)


def blocks(model: FEDformer) -> list[torch.nn.Module]:
    kinds = (FourierBlock, FourierAttention, MultiwaveletBlock, MultiwaveletAttention)
    return [module for module in model.modules() if isinstance(module, kinds)]


@pytest.mark.parametrize(
    ("version", "kinds"),
    [
        ("fourier", [FourierBlock, FourierBlock, FourierBlock, FourierAttention]),
        ("wavelet", [MultiwaveletBlock, MultiwaveletBlock, MultiwaveletBlock, MultiwaveletAttention]),
    ],
)
def test_each_version_has_its_blocks(version, kinds):
    assert [type(block) for block in blocks(network(version=version))] == kinds


@both_versions
@pytest.mark.parametrize(("length", "horizon", "label"), [(1, 1, 1), (2, 3, 1), (17, 7, 3), (17, 7, 17), (32, 5, 11)])
@pytest.mark.parametrize("n_heads", [1, 3])
def test_any_lengths_and_heads(version, length, horizon, label, n_heads):
    problem = sizes(length, horizon)
    model = network(problem, version=version, label_length=label, n_heads=n_heads)
    out = model(window_of(problem))
    assert out.shape == (3, horizon, 3, 1)
    assert out.isfinite().all()


def test_each_block_draws_modes_of_its_own():
    model = network(sizes(61, 17), n_encoder_layers=3, n_decoder_layers=2)
    chosen = [tuple(block.modes.tolist()) for block in blocks(model)[:3]]
    assert len(set(chosen)) == 3
    again = network(sizes(61, 17), n_encoder_layers=3, n_decoder_layers=2)
    assert [tuple(block.modes.tolist()) for block in blocks(again)[:3]] == chosen
    other = network(sizes(61, 17), n_encoder_layers=3, n_decoder_layers=2, modes_seed=100)
    assert [tuple(block.modes.tolist()) for block in blocks(other)[:3]] != chosen


def test_modes_go_with_the_weights():
    first, second = (network(sizes(61, 17), modes_seed=seed) for seed in (0, 9))
    window = window_of(sizes(61, 17))
    assert not torch.equal(first(window), second(window))
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second(window), first(window))


def test_the_lowest_modes():
    assert all(block.modes.tolist() == [0, 1, 2, 3, 4] for block in blocks(network(mode_select="lowest")))


@both_versions
def test_every_parameter_has_a_part(version):
    problem = sizes(n_past=2, n_future=2, n_static=1, n_static_rows=3)
    model = network(problem, version=version)
    model(window_of(problem)).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@both_versions
def test_an_output_does_not_depend_on_its_batch_mates(version):
    model, window = network(version=version), window_of(sizes())
    torch.testing.assert_close(model(window)[1:2], model(rows(window, slice(1, 2))))


def test_the_trend_is_a_mixture():
    decomposition = network().body.decomposition
    with torch.no_grad():
        for parameter in decomposition.parameters():
            parameter.zero_()
    target = window_of(sizes()).target
    _, trend = decomposition(target)
    means = [network(kernel_sizes=(k,)).body.decomposition(target)[1] for k in (3, 8)]
    torch.testing.assert_close(trend, (means[0] + means[1]) / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": "laplace"}, "version='laplace' must be one of ['fourier', 'wavelet']"),
        ({"modes": 0}, "modes=0 must be an integer of at least 1"),
        ({"mode_select": "best"}, "mode_select='best' must be one of ['lowest', 'random']"),
        ({"modes_seed": -1}, "modes_seed=-1 must be an integer of at least 0"),
        ({"label_length": 18}, "label_length=18 must be at most input_chunk_length=17"),
        ({"kernel_sizes": ()}, "kernel_sizes=() must be a list of at least one kernel size"),
        ({"n_coarse_levels": -1}, "n_coarse_levels=-1 must be an integer of at least 0"),
        ({"frequency_activation": "x"}, "frequency_activation='x' must be one of ['complex_tanh', 'softmax', 'tanh']"),
        ({"wavelet_order": 0, "version": "wavelet"}, "wavelet_order=0 must be an integer of at least 1"),
        ({"n_heads": 4}, "n_heads=4 must divide d_model=6"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        FEDformer(sizes(), **(TINY | arguments))
