"""TimeCMA: the whole network with embeddings that are given, and those that a tiny GPT-2 makes of given prompts."""

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model

from darts_tsformers.language import LanguageModel
from darts_tsformers.language.tokenizer import Bytes
from darts_tsformers.networks import TimeCMA
from darts_tsformers.networks._timecma_prompts import WindowPrompts
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, cosine, renamed, with_weights

ENCODERS = {
    "self_attn.in_proj_": "attention.project_in.",
    "self_attn.out_proj.": "attention.project_out.",
    "norm1.": "attention_norm.",
    "norm2.": "feed_forward_norm.",
}
DECODER = {
    "self_attn.in_proj_": "self_attention.project_in.",
    "self_attn.out_proj.": "self_attention.project_out.",
    "multihead_attn.in_proj_": "cross_attention.project_in.",
    "multihead_attn.out_proj.": "cross_attention.project_out.",
    "norm1.": "self_norm.",
    "norm2.": "cross_norm.",
    "norm3.": "feed_forward_norm.",
}
NAMES = {
    "length_to_feature.": "embedding.",
    "c_to_length.": "head.",
    "ts_encoder.layers.": "encoder.",
    "prompt_encoder.layers.": "language_branch.encoder.",
    "cross.layers.0.": "language_branch.alignment.",
    "decoder.layers.": "decoder.",
    "self_attn.W_Q.": "query.",
    "self_attn.W_K.": "key.",
    "self_attn.W_V.": "value.",
    "self_attn.to_out.0.": "project_out.",
    "norm_attn.": "series_norm.",
    "norm_ffn.": "feed_forward_norm.",
    ".ff.": ".feed_forward.",
    "linear1.": "feed_forward.0.",
    "linear2.": "feed_forward.3.",
}
SCALE = "cross.layers.0.self_attn.sdp_attn.scale"
"""One over the root of the number of variates: a formula."""
N_HEADS = 2
"""Of the language model, which the description does not say."""


class Given(nn.Module):
    """What a language model has made of the prompts, whatever these are."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, *_: Tensor | None) -> Tensor:
        return self.embeddings


def run(golden: Golden) -> Ours:
    network = network_of(golden)
    x = golden.inputs["x"]
    level = x.mean(1, keepdim=True)
    spread = (x.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    found: dict[str, Tensor] = {}
    branch = network.language_branch
    for name, part in {
        "ts_encoded": network.encoder,
        "prompt_encoded": branch.encoder,
        "cross": branch.alignment,
        "decoded": network.decoder,
    }.items():
        part.register_forward_hook(lambda *given, name=name: found.update({name: given[-1]}))
    y = network(Window((x - level) / spread)).squeeze(-1) * spread + level
    outputs = found | {"cross": found["cross"].mT, "forward": y, "prompt_embedding": prompt_embedding(golden)}
    return Ours(outputs, {"": cosine(y)})


def network_of(golden: Golden) -> TimeCMA:
    config = golden.meta["config"]
    network = TimeCMA(
        Sizes(config["L"], config["T"], n_targets=config["C"]),
        d_model=config["channel"],
        n_heads=config["head"],
        n_encoder_layers=config["e_layer"],
        n_decoder_layers=config["d_layer"],
        d_ff=config["dim_feedforward"],
        d_ff_alignment=config["d_ff"],
        faithful=True,
        backbone="random",
        backbone_sizes={"d_model": config["d_llm"], "n_layers": 1, "n_heads": 1},
    )
    network.language_branch.prompts = Given(golden.inputs["embeddings"].squeeze(-1).mT)
    scale = golden.params[SCALE]
    torch.testing.assert_close(scale, scale.new_tensor(config["C"] ** -0.5))
    ours = {}
    for name, weight in golden.params.items():
        if name != SCALE:
            layers = DECODER if name.startswith("decoder.") else ENCODERS
            ours |= renamed(renamed({name: weight}, {} if name.startswith("cross.") else layers), NAMES)
    return with_weights(network, ours)


def prompt_embedding(golden: Golden) -> Tensor:
    """Read the prompts of the file by our code; all arrays have the sizes of the language model in them."""
    weights = golden.part("gpt2/state/")
    n_layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("h."))
    config = GPT2Config(
        vocab_size=len(weights["wte.weight"]),
        n_positions=len(weights["wpe.weight"]),
        n_embd=weights["wte.weight"].shape[1],
        n_layer=n_layers,
        n_head=N_HEADS,
        bos_token_id=None,
        eos_token_id=None,
    )
    transformer = with_weights(GPT2Model(config), weights)
    language = LanguageModel(transformer, "gpt2", Bytes, is_published=False)
    prompts = WindowPrompts(language, description=None, n_decimals=0, n_kept=0)
    ids = [[i for i in row if i >= 0] for row in golden.inputs["prompt_ids"].tolist()]
    embeddings = prompts.last_states(ids)
    return embeddings.unflatten(0, (-1, golden.meta["config"]["C"])).mT


TIMECMA = Mapping(systems=("TimeCMA",), run=run, tolerances={"out/prompt_embedding": 2e-5})
