"""Mechanisms that have parameters of their own, made for the layer they serve."""

import pytest
import torch
from torch import nn

from darts_tsformers.attention import Attention, HeadSizes, build_attention, register_attention
from darts_tsformers.layers.transformer.encoder import Encoder
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.models import PatchTSTModel
from darts_tsformers.networks import Autoformer, Informer, ITransformer, LogSparseTransformer, TemporalFusionTransformer
from darts_tsformers.window import Sizes
from tests.contracts.cases import CASE, H, make_data
from tests.helpers import draw, exactly, make_window, registries_as_before


class BiasedAttention(Attention):
    """Softmax attention with a learned bias for each query and key."""

    def __init__(self, sharpness: float = 1.0) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.sizes: HeadSizes | None = None

    def fit_to(self, sizes: HeadSizes) -> None:
        self.sizes = sizes
        self.bias = nn.Parameter(torch.zeros(sizes.n_heads, sizes.n_queries, sizes.n_keys))

    def forward(self, q, k, v, *, causal=False, need_weights=False):
        self.require_fit(self.sizes, q, k)
        scores = self.sharpness * q @ k.mT + self.bias[:, : q.shape[-2], : k.shape[-2]]
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -torch.inf)
        weights = scores.softmax(-1)
        return weights @ v, weights if need_weights else None


@pytest.fixture(autouse=True)
def _registered():
    with registries_as_before():
        register_attention("biased", BiasedAttention)
        yield


def biases(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for name, p in module.named_parameters() if name.endswith("mechanism.bias")]


def test_a_layer_tells_the_mechanism_its_sizes():
    layer = MultiHeadAttention(12, 3, attention="biased", cross=True, n_queries=7, n_keys=11)
    assert layer.mechanism.sizes == HeadSizes(n_heads=3, d_head=4, n_queries=7, n_keys=11)


def test_scores_of_earlier_layers_make_the_heads_wider():
    encoder = Encoder(8, 2, 11, n_layers=3, attention="biased", residual_attention=True, n_tokens=5)
    assert [layer.attention.mechanism.sizes.d_head for layer in encoder.layers] == [4, 8, 12]
    assert encoder(draw(2, 5, 8)).shape == (2, 5, 8)


def test_shorter_inputs_are_served_and_longer_ones_refused():
    mechanism = build_attention("biased", HeadSizes(n_heads=2, d_head=3, n_queries=7, n_keys=7))
    assert mechanism(draw(1, 2, 5, 3), draw(1, 2, 5, 3), draw(1, 2, 5, 3))[0].shape == (1, 2, 5, 3)
    long, wide = draw(1, 2, 8, 3), draw(1, 2, 5, 4)
    with pytest.raises(ValueError, match=exactly("BiasedAttention was made for at most n_queries=7, not 8")):
        mechanism(long, long, long)
    with pytest.raises(ValueError, match=exactly("BiasedAttention was made for d_head=3, not 4")):
        mechanism(wide, wide, wide)


def test_a_mechanism_that_was_told_nothing_says_so():
    x = draw(1, 2, 5, 3)
    with pytest.raises(ValueError, match="BiasedAttention has parameters of its own: call fit_to"):
        build_attention("biased")(x, x, x)


def test_the_arguments_rebuild_it():
    assert build_attention(BiasedAttention(sharpness=2.0)).config() == {"sharpness": 2.0}


SIZES = Sizes(input_length=13, output_length=5, n_targets=3, n_past=2, n_future=1)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: Informer(SIZES, d_model=8, n_heads=2, attention="biased"), [(2, 13, 13)] * 2 + [(2, 11, 11)]),
        (lambda: ITransformer(SIZES, d_model=8, n_heads=2, attention="biased"), [(2, 6, 6)] * 2),
        (lambda: LogSparseTransformer(SIZES, d_model=8, n_heads=2, attention="biased"), [(2, 17, 17)] * 3),
        (lambda: TemporalFusionTransformer(SIZES, d_model=8, n_heads=2, attention="biased"), [(2, 18, 18)]),
        (lambda: Autoformer(SIZES, d_model=8, n_heads=2, attention="biased"), [(2, 13, 13)] * 4),
    ],
    ids=["Informer", "iTransformer", "LogSparse", "TFT", "Autoformer"],
)
def test_every_encoder_tells_the_lengths_it_has(build, expected):
    network = build()
    assert biases(network) == expected
    assert network(make_window(SIZES)).isfinite().all()


def test_a_model_is_trained_saved_and_loaded_with_its_mechanism(tmp_path):
    data = make_data()
    model = CASE["PatchTSTModel"].model(attention=BiasedAttention(sharpness=0.5)).fit(data.series, **data.covariates())
    assert model.model.get_parameter("forecaster.network.backbone.encoder.layers.0.attention.mechanism.bias").any()
    model.save(tmp_path / "model.pt")
    loaded = PatchTSTModel.load(tmp_path / "model.pt")
    first, second = (one.predict(H, data.series, **data.covariates()).values() for one in (model, loaded))
    assert (first == second).all()
