"""PatchTSMixer, to forecast and to fill in masked patches, and the heads that set its forecasts right."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import AffineTransform, Distribution, Normal, StudentT, TransformedDistribution

from darts_tsformers.layers.mixing.reconciliation import CrossChannelHead, HierarchyHead
from darts_tsformers.models import PatchTSMixerModel
from darts_tsformers.networks import PatchTSMixer
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights

MASKED_HEAD = "head.base_pt_block."
N_PARAMETERS = {"student_t": 3, "normal": 2}


class Scaled(NamedTuple):
    x: Tensor
    loc: Tensor
    scale: Tensor


def scaled(golden: Golden) -> Scaled:
    """Scale as the reference does, unobserved values as well; nothing is detached."""
    x, kind = golden.inputs["x"], golden.meta["config"]["scaling"]
    seen = golden.inputs.get("observed_mask", torch.ones_like(x))
    n_seen = seen.sum(1, keepdim=True)
    if kind in ("std", True):
        loc = (x * seen).sum(1, keepdim=True) / n_seen.clamp(min=1)
        scale = ((((x - loc) * seen) ** 2).sum(1, keepdim=True) / n_seen.clamp(min=1) + 1e-5).sqrt()
    elif kind == "mean":
        total = (x * seen).abs().sum(1, keepdim=True)
        of_batch = total.sum(0) / n_seen.sum(0).clamp(min=1)
        loc = torch.zeros_like(total)
        scale = torch.where(n_seen > 0, total / n_seen.clamp(min=1), of_batch).clamp(min=1e-10)
    else:
        loc, scale = torch.zeros_like(x[:, :1]), torch.ones_like(x[:, :1])
    return Scaled((x - loc) / scale, loc, scale)


def network_of(golden: Golden, n_parameters: int = 1) -> PatchTSMixer:
    """Build the network that a checkpoint asks for, though it forecasts some channels or a distribution."""
    config = golden.meta["config"]
    sizes = Sizes(
        config["context_length"],
        config["prediction_length"],
        n_targets=golden.inputs["x"].shape[-1],
        n_parameters=n_parameters,
    )
    known = PatchTSMixerModel.architecture(config | {"loss": "mse", "prediction_channel_indices": None})
    return PatchTSMixer(sizes, **known, dropout=0.0)


def our_weights(golden: Golden) -> dict[str, Tensor]:
    """Name the weights as for a checkpoint, and join the maps of a distribution."""
    arranged = PatchTSMixerModel.arranged(golden.params)
    weights = {PatchTSMixerModel.key_map.ours(name): weight for name, weight in arranged.items()}
    for kind in ("weight", "bias"):
        maps = [weights.pop(name) for name in sorted(weights) if name.startswith("head.proj.") and name.endswith(kind)]
        if maps:
            weights[f"head.{kind}"] = torch.stack(maps, dim=1).flatten(0, 1)
    return {name: weight.reshape(()) if "num_batches" in name else weight for name, weight in weights.items()}


def run(golden: Golden) -> Ours:
    return masked(golden) if "mask" in golden.inputs else forecasts(golden)


def forecasts(golden: Golden) -> Ours:
    config = golden.meta["config"]
    likelihood = config["distribution_output"] if config["loss"] == "nll" else None
    network = with_weights(network_of(golden, N_PARAMETERS[likelihood] if likelihood else 1), our_weights(golden))
    x, loc, scale = scaled(golden)
    chosen = config.get("prediction_channel_indices")
    channels = slice(None) if chosen is None else sorted(chosen)
    loc, scale = loc[..., channels], scale[..., channels]
    raw = network(Window(x))[:, :, channels]
    outputs = {"last_hidden_state": network.encode(Window(x)), "loc": loc, "scale": scale}
    future = golden.inputs["future"][..., channels]
    if likelihood is None:
        y = raw.squeeze(-1) * scale + loc
        return Ours(outputs | {"y": y, "loss": F.mse_loss(y, future).view(1)})
    parameters = DOMAINS[likelihood](raw)
    nll = -TransformedDistribution(DISTRIBUTIONS[likelihood](*parameters), AffineTransform(loc, scale)).log_prob(future)
    loss = nll.mean() if config["prediction_length"] == 1 else nll.sum(-1).mean()
    named = {f"distr_{i}": parameter for i, parameter in enumerate(parameters)}
    return Ours(outputs | named | {"loss": loss.view(1), "loss_mean_per_value": nll.mean()})


def positive(x: Tensor) -> Tensor:
    return (x + (x.square() + 4).sqrt()) / 2


def student_t(raw: Tensor) -> tuple[Tensor, ...]:
    df, loc, scale = raw.unbind(-1)
    return 2 + positive(df), loc, positive(scale)


def normal(raw: Tensor) -> tuple[Tensor, ...]:
    loc, scale = raw.unbind(-1)
    return loc, positive(scale)


DOMAINS = {"student_t": student_t, "normal": normal}
DISTRIBUTIONS: dict[str, type[Distribution]] = {"student_t": StudentT, "normal": Normal}


def masked(golden: Golden) -> Ours:
    """Put the masked patches through embedding and mixer, and fill them in by the reference's map."""
    weights = our_weights(golden)
    head = {name: weights.pop(f"{MASKED_HEAD}{name}") for name in ("weight", "bias")}
    network = network_of(golden)
    network.head = nn.Identity()
    network = with_weights(network, weights)
    patches = network._patches(scaled(golden).x)
    hidden = golden.inputs["mask"].unsqueeze(-1)
    given = patches.masked_fill(hidden, golden.meta["config"]["mask_value"])
    tokens = network.embedding(given)
    mixed = network.mixer(tokens if network.position is None else network.position(tokens))
    guesses = F.linear(mixed, head["weight"], head["bias"])
    errors = (guesses - patches).square().mean(-1, keepdim=True)
    loss = (errors * hidden).sum() / (hidden.sum() + 1e-10)
    return Ours({"reconstruction": guesses, "masked_patches": given, "last_hidden_state": mixed, "loss": loss.view(1)})


NETWORK = Mapping(systems=("PatchTSMixer",), run=run)


def run_cross_channel(golden: Golden) -> Ours:
    """Where the past is seen, its last steps are a part of the horizon, and what comes out of them is left."""
    meta, y = golden.meta, golden.inputs["y"]
    head = CrossChannelHead(meta["C"], meta["context"], gated=meta["gated"])
    head = with_weights(head, renamed(golden.params, {"mlp.": "", "gate.": "gate.map."}) | map_of(golden, "mlp"))
    before = golden.inputs["past"][:, -meta["context"] :] if meta["prepend_past"] and meta["context"] else y[:, :0]
    corrected = head(torch.cat([before, y], dim=1).unsqueeze(-1)).squeeze(-1)
    return Ours({"y": corrected[:, before.shape[1] :]})


def map_of(golden: Golden, name: str) -> dict[str, Tensor]:
    """Return the map of a head, for the one parameter that there is."""
    return {"weight": golden.params[f"{name}.weight"].T[None], "bias": golden.params[f"{name}.bias"][None, None]}


CROSS_CHANNEL = Mapping(
    systems=("cross-channel forecast reconciliation head (TSMixer paper / TinyTimeMixer ForecastChannelHeadMixer)",),
    run=run_cross_channel,
)


def run_hierarchy(golden: Golden) -> Ours:
    meta, inputs = golden.meta, golden.inputs
    head = HierarchyHead(meta["N"] * meta["d"], meta["H"], meta["p"])
    head = with_weights(head, renamed(golden.params, {"agg.": "aggregate.", "mix.": ""}) | map_of(golden, "mix"))
    corrected, means = head(inputs["y"].mT.unsqueeze(-1), inputs["hidden"])
    y, means = corrected.squeeze(-1).mT, means.squeeze(-1)

    def of_patches(series: Tensor) -> Tensor:
        return torch.stack([patch.mean(1) for patch in series.split(meta["p"], dim=1)], dim=-1)

    future = inputs["future"]
    off = F.mse_loss(means, of_patches(future)) + F.mse_loss(means, of_patches(y))
    loss = F.mse_loss(y, future) + off / meta["p"]
    return Ours({"y": y, "aggregate": means, "loss": loss.view(1)})


HIERARCHY = Mapping(
    systems=("hierarchical patch reconciliation head (TSMixer paper; NO public code; our reading)",), run=run_hierarchy
)
