"""iTransformer under the weights of another implementation."""

import torch
from torch import Tensor

from darts_tsformers.networks import Forecaster, ITransformer
from darts_tsformers.window import Sizes, Window
from tests.reference._golden import Golden, load

NETWORK_SETTINGS = ("d_model", "n_heads", "n_encoder_layers", "d_ff")
NAMES = {
    "enc_embedding.value_embedding.": "network.embedding.",
    "projector.": "network.head.",
    "encoder.attn_layers.": "network.encoder.layers.",
    "encoder.norm.": "network.encoder.norm.",
    ".attention.out_projection.": ".attention.project_out.",
    ".norm1.": ".attention_norm.",
    ".norm2.": ".feed_forward_norm.",
    ".conv1.": ".feed_forward.0.",
    ".conv2.": ".feed_forward.3.",
}


def forecaster(golden: Golden, n_variates: int | None = None) -> Forecaster:
    settings = golden.settings
    sizes = Sizes(settings["input_length"], settings["output_length"], n_targets=n_variates or settings["n_variates"])
    network = ITransformer(sizes, **{name: settings[name] for name in NETWORK_SETTINGS})
    model = Forecaster(network, use_instance_norm=settings["use_instance_norm"]).eval()
    load(model, weights(golden))
    return model


def weights(golden: Golden) -> dict[str, Tensor]:
    """Map the weights; its convolutions of width one are our linear maps."""
    theirs = dict(golden.weights)
    ours = {}
    for i in range(golden.settings["n_encoder_layers"]):
        attention = f"encoder.attn_layers.{i}.attention"
        for kind in ("weight", "bias"):
            ours[f"network.encoder.layers.{i}.attention.project_in.{kind}"] = torch.cat(
                [theirs.pop(f"{attention}.{part}_projection.{kind}") for part in ("query", "key", "value")]
            )
    for name, weight in theirs.items():
        for before, after in NAMES.items():
            name = name.replace(before, after)
        ours[name] = weight.squeeze(-1) if weight.ndim == 3 else weight
    return ours


def forecast(golden: Golden, n_variates: int | None = None) -> Tensor:
    return forecaster(golden, n_variates)(Window(golden.x)).squeeze(-1)


OURS = {"itransformer-neuralforecast": forecast}
