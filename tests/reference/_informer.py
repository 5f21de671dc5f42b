"""The parts of Informer under the weights of another implementation."""

import torch
from torch import Tensor

from darts_tsformers.layers.transformer.decoder import DecoderLayer
from darts_tsformers.layers.transformer.distilling import Distilling
from darts_tsformers.layers.transformer.encoder import EncoderLayer
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from tests.reference._golden import Golden, filled

DISTILLING_NAMES = {"norm.": "norm.norm.", "downConv.": "convolution.linear."}
ATTENTION_NAMES = {"out_proj.": "project_out."}
LAYER_NAMES = ATTENTION_NAMES | {
    "fc1.": "feed_forward.0.",
    "fc2.": "feed_forward.3.",
    "final_layer_norm.": "feed_forward_norm.",
}
ENCODER_NAMES = LAYER_NAMES | {"self_attn.": "attention.", "self_attn_layer_norm.": "attention_norm."}
DECODER_NAMES = LAYER_NAMES | {
    "self_attn.": "self_attention.",
    "self_attn_layer_norm.": "self_norm.",
    "encoder_attn.": "cross_attention.",
    "encoder_attn_layer_norm.": "cross_norm.",
}


def prob_sparse(golden: Golden) -> tuple[str, dict[str, int]]:
    return "prob_sparse", {"factor": golden.settings["factor"]}


def renamed(golden: Golden, names: dict[str, str]) -> dict[str, Tensor]:
    """Map the weights; its three projections of an attention are one of ours."""
    ours = {}
    for name, weight in golden.weights.items():
        for before, after in names.items():
            name = name.replace(before, after)
        ours[name] = weight
    for name in [name for name in ours if "q_proj" in name]:
        parts = [ours.pop(name.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
        ours[name.replace("q_proj", "project_in")] = torch.cat(parts)
    return ours


def distilling(golden: Golden) -> Tensor:
    """Distil tokens; its convolution orders weights by feature and then by step, ours by step first."""
    weights = renamed(golden, DISTILLING_NAMES)
    weights["convolution.linear.weight"] = weights["convolution.linear.weight"].mT.flatten(1)
    layer = filled(Distilling(golden.settings["d_model"], norm="batch", padding_mode="circular"), weights)
    return layer(golden.x)


def attention(golden: Golden) -> Tensor:
    settings = golden.settings
    layer = MultiHeadAttention(
        settings["d_model"], settings["n_heads"], attention=prob_sparse(golden), causal=settings["causal"]
    )
    return filled(layer, renamed(golden, ATTENTION_NAMES))(golden.x)[0]


def encoder(golden: Golden) -> Tensor:
    settings = golden.settings
    layer = EncoderLayer(
        settings["d_model"],
        settings["n_heads"],
        settings["d_ff"],
        dropout=0.0,
        activation=settings["activation"],
        norm="layer",
        attention=prob_sparse(golden),
    )
    return filled(layer, renamed(golden, ENCODER_NAMES))(golden.x)[0]


def decoder(golden: Golden) -> Tensor:
    settings = golden.settings
    layer = DecoderLayer(
        settings["d_model"],
        settings["n_heads"],
        settings["d_ff"],
        dropout=0.0,
        activation=settings["activation"],
        self_attention=prob_sparse(golden),
        cross_attention="full",
    )
    return filled(layer, renamed(golden, DECODER_NAMES))(golden.x, golden.memory)


OURS = {
    "informer-distilling-transformers": distilling,
    "informer-attention-transformers": attention,
    "informer-encoder-transformers": encoder,
    "informer-decoder-transformers": decoder,
}
