import pytest
import torch

from darts_tsformers.networks import Forecaster, ITransformer, PatchTST
from darts_tsformers.networks._network import NETWORKS, Network
from darts_tsformers.window import Sizes, Window
from tests.helpers import exactly, make_window, rows, scatter_

SIZES = Sizes(13, 5, n_targets=3, n_parameters=2)


class Echo(Network, name="echo of the tests"):
    """Repeats the last value it sees, once for each parameter."""

    def forward(self, window: Window):
        last = window.target[:, -1:, :, None]
        return last.expand(-1, self.sizes.output_length, -1, self.sizes.n_parameters)


def teardown_module():
    del NETWORKS["echo of the tests"]


def test_the_last_value_comes_back_through_normalisation():
    sizes = Sizes(13, 5, n_targets=3)
    window = make_window(sizes)
    expected = window.target[:, -1:, :, None].expand(3, 5, 3, 1)
    torch.testing.assert_close(Forecaster(Echo(sizes))(window), expected)


def test_each_parameter_comes_back_by_its_own_rule():
    window = make_window(SIZES)
    out = Forecaster(Echo(SIZES), restore_rules=("location", "unchanged"))(window)
    last = window.target[:, -1:]
    mean, spread = window.target.mean(1, keepdim=True), (window.target.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(out[..., 0], last.expand(3, 5, 3))
    torch.testing.assert_close(out[..., 1], ((last - mean) / spread).expand(3, 5, 3))


def test_without_normalisation_the_network_sees_the_data():
    window = make_window(SIZES)
    out = Forecaster(Echo(SIZES), use_instance_norm=False, restore_rules=("location", "scale"))(window)
    assert torch.equal(out, window.target[:, -1:, :, None].expand(3, 5, 3, 2))


def test_covariates_are_not_normalised():
    sizes = Sizes(13, 5, n_targets=3, n_past=2, n_future=2, n_static=2)
    window, seen = make_window(sizes), []
    network = Echo(sizes)
    network.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    Forecaster(network)(window)
    for name in ("past", "historic_future", "future", "static"):
        assert torch.equal(getattr(seen[0], name), getattr(window, name))


def test_a_learned_normalisation_has_a_scale_and_a_bias_per_component():
    plain, affine = (
        Forecaster(Echo(SIZES), instance_norm_affine=a, restore_rules=("location",) * 2) for a in (False, True)
    )
    assert not list(plain.instance_norm.parameters())
    assert {name: p.shape for name, p in affine.instance_norm.named_parameters()} == {"weight": (3,), "bias": (3,)}


@pytest.mark.parametrize("rules", [("location",), ("location", "scale", "scale"), ()], ids=len)
def test_another_number_of_rules_than_parameters_is_refused(rules):
    message = f"restore_rules={rules} must name one rule for each of n_parameters=2 likelihood parameters"
    with pytest.raises(ValueError, match=exactly(message)):
        Forecaster(Echo(SIZES), restore_rules=rules)


def test_a_taken_network_name_is_refused():
    with pytest.raises(
        ValueError, match=exactly("name='patchtst' is already the name of darts_tsformers.networks.patchtst.PatchTST")
    ):

        class Other(Network, name="patchtst"):
            """Another network."""

    assert NETWORKS["patchtst"] is PatchTST


def test_networks_are_known_by_name():
    assert NETWORKS["patchtst"] is PatchTST
    assert NETWORKS["itransformer"] is ITransformer
    assert (PatchTST.name, ITransformer.name) == ("patchtst", "itransformer")


@pytest.mark.parametrize("network", [PatchTST, ITransformer])
@pytest.mark.parametrize("affine", [False, True], ids=["plain", "affine"])
def test_a_constant_window_gives_a_finite_forecast_and_finite_gradients(network, affine):
    kwargs = {"patch_length": 5, "stride": 3} if network is PatchTST else {}
    sizes = Sizes(13, 5, n_targets=3)
    model = Forecaster(network(sizes, d_model=6, n_heads=2, d_ff=7, **kwargs), instance_norm_affine=affine)
    out = model(Window(torch.full((2, 13, 3), 7.0)))
    out.sum().backward()
    assert out.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("network", [PatchTST, ITransformer])
@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("n_parameters", [1, 3])
@pytest.mark.parametrize("covariates", [0, 2])
@pytest.mark.parametrize(("length", "horizon"), [(13, 5), (16, 1), (7, 11)])
def test_a_sample_does_not_depend_on_its_batch_mates(network, n_targets, n_parameters, covariates, length, horizon):
    sizes = Sizes(
        length,
        horizon,
        n_targets=n_targets,
        n_past=covariates,
        n_future=covariates,
        n_static=covariates,
        n_parameters=n_parameters,
    )
    kwargs = {"patch_length": 5, "stride": 3} if network is PatchTST else {}
    network = network(sizes, d_model=6, n_heads=2, d_ff=7, n_encoder_layers=2, **kwargs)
    model = scatter_(Forecaster(network, restore_rules=("location",) * n_parameters)).eval()
    window = make_window(sizes)
    whole = model(window)
    assert whole.shape == (3, horizon, n_targets, n_parameters)
    torch.testing.assert_close(whole[1:2], model(rows(window, slice(1, 2))))
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(whole[order], model(rows(window, order)))


def test_autocast_to_bfloat16_answers_in_the_precision_of_the_data():
    sizes = Sizes(13, 5, n_targets=3)
    model = scatter_(Forecaster(ITransformer(sizes, d_model=6, n_heads=2, d_ff=7))).eval()
    window = make_window(sizes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(window)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, model(window), rtol=5e-2, atol=5e-2)
