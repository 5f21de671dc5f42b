"""S-Mamba, with the normalisation that its authors have around it: they detach the mean, not the spread."""

import torch

from darts_tsformers.networks import SMamba
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights

NAMES = {
    "enc_embedding.value_embedding.": "embedding.",
    "projector.": "head.",
    ".attn_layers.": ".layers.",
    ".attention.": ".mixer.onward.",
    ".attention_r.": ".mixer.reverse.",
    ".norm1.": ".mixer_norm.",
    ".norm2.": ".feed_forward_norm.",
    ".conv1.": ".feed_forward.0.",
    ".conv2.": ".feed_forward.3.",
}


def run(golden: Golden) -> Ours:
    """Add a zero behind the spread: its gradient is that of the series where the spread is detached as well."""
    x, marks = golden.inputs["x"], golden.inputs.get("marks")
    zero = torch.zeros_like(x, requires_grad=True)
    level, spread = torch.zeros_like(x[:, :1]), torch.ones_like(x[:, :1])
    if golden.meta["use_norm"]:
        level = x.detach().mean(1, keepdim=True)
        spread = ((x - level).var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    out = network_of(golden)(Window((x + zero - level) / spread, past=marks)).squeeze(-1)
    return Ours({"y": out * spread + level}, leaves={"x_detached_std": zero})


def network_of(golden: Golden) -> SMamba:
    """Their convolutions of width one are our linear maps; their marks have no type."""
    meta = golden.meta
    network = SMamba(
        Sizes(meta["seq_len"], meta["pred_len"], n_targets=meta["C"], n_past=meta["marks"]),
        d_model=meta["d_model"],
        n_encoder_layers=meta["e_layers"],
        d_ff=meta["d_ff"],
        d_state=meta["d_state"],
        activation=meta["activation"],
    )
    ours = renamed(golden.params, NAMES)
    for name in [name for name in ours if ".feed_forward." in name and name.endswith(".weight")]:
        ours[name] = ours[name].squeeze(-1)
    if meta["marks"]:
        ours["past_type"] = torch.zeros(meta["d_model"])
    return with_weights(network, ours)


SMAMBA = Mapping(systems=("S-Mamba",), run=run)
