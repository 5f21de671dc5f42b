"""LMUFormer without spikes: its block, and the authors' classifier built of our parts."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darts_tsformers.layers.recurrent.lmuformer import ConvolutionalEmbedding, LMUFormerBlock
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights

BLOCK_NAMES = {
    "attn.lmu.W_u.": "memory.project_in.",
    "attn.lmu.W_h.": "memory.project_out.",
    "attn.proj_conv.": "project.",
    "attn.proj_bn.": "project_norm.norm.",
    "mlp.fc1_conv.": "widen.",
    "mlp.fc1_bn.": "widen_norm.norm.",
    "mlp.fc2_conv.": "narrow.",
    "mlp.fc2_bn.": "narrow_norm.norm.",
}
LAST = 4  # of the convolutions, that of the relative position


def run_block(golden: Golden) -> Ours:
    """Run in training mode, then take the running statistics back to what they were before.

    The files hold them as the pass in training mode left them, and ``y`` is of before it.
    """
    meta, x = golden.meta, golden.inputs["x"].mT
    block = LMUFormerBlock(meta["dim"], meta["mlp_ratio"] * meta["dim"], meta["order"], meta["theta"])
    with_weights(block, counted(squeezed(renamed(golden.params, BLOCK_NAMES)), block))
    for norm in (block.project_norm.norm, block.widen_norm.norm, block.narrow_norm.norm):
        norm.momentum = 1 - 1 / (1 - norm.momentum)  # undoes an update with the old one
    return Ours({"y_train_mode": block.train()(x).mT, "y": block.eval()(x).mT})


BLOCK = Mapping(systems=("LMUFormer block (non-spiking)",), run=run_block)


class Classifier(nn.Module):
    """The authors' network: centred convolutions, and a mean over time of a linear map."""

    def __init__(self, meta: dict) -> None:
        super().__init__()
        dim = meta["dim"]
        self.embedding = ConvolutionalEmbedding(meta["in_channels"], dim)
        self.block = nn.ModuleList(
            LMUFormerBlock(dim, meta["mlp_ratio"] * dim, dim, meta["theta"]) for _ in range(meta["layers"])
        )
        self.head = nn.Linear(dim, meta["classes"])

    def features(self, x: Tensor) -> Tensor:
        embedding = self.embedding
        for convolution, norm in zip(embedding.convolutions, embedding.norms, strict=False):
            x = norm(F.relu(centred(convolution, x)))
        x = x + centred(embedding.convolutions[LAST], x)
        for block in self.block:
            x = block(x)
        return x


def centred(convolution: nn.Module, x: Tensor) -> Tensor:
    """Look one step back and one ahead: what a causal convolution gives one step later."""
    return convolution(F.pad(x, (0, 0, 0, 1)))[:, 1:]


def run_net(golden: Golden) -> Ours:
    net = Classifier(golden.meta)
    layers = {f"patch_embed.conv_layers.{i}.{j}.": f"embedding.{ours}" for i in range(LAST) for j, ours in parts(i)}
    names = layers | {"patch_embed.rpe_conv.": f"embedding.convolutions.{LAST}.linear."} | BLOCK_NAMES
    with_weights(net, counted(squeezed(renamed(golden.params, names)), net))
    features = net.features(golden.inputs["x"])
    return Ours({"features": features.mT, "y": net.head(features).mean(dim=1)})


NET = Mapping(systems=("LMUFormer whole (non-spiking, classification head = mean over time of Linear)",), run=run_net)


def parts(i: int) -> list[tuple[int, str]]:
    return [(0, f"convolutions.{i}.linear."), (3, f"norms.{i}.norm.")]


def squeezed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Lay out kernels over three steps as one matrix, and those over one step as maps of tokens."""
    return {name: w.mT.flatten(1) if w.ndim == 3 else w for name, w in weights.items()}


def counted(weights: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Add what the files leave out: how many batches a normalisation has seen."""
    counts = {name: torch.tensor(1) for name in module.state_dict() if name.endswith("num_batches_tracked")}
    return weights | counts
