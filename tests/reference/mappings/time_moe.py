"""Time-MoE: states, attention, router, heads, losses and forecasts of a checkpoint in the hub's layout."""

import json

import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.layers.experts.balance import load_balance
from darts_tsformers.models.time_moe import HUBER_DELTA, TimeMoEModel
from darts_tsformers.networks import TimeMoE
from darts_tsformers.networks._time_moe_decoder import Read
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.instance_norm import InstanceNorm
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights


def run(golden: Golden) -> Ours:
    x = golden.inputs["x"]
    network = network_of(golden, x.shape[1], 1)
    weights = {TimeMoEModel.key_map.ours(name): weight for name, weight in golden.params.items()}
    with_weights(network.decoder, weights)
    with recording("attention") as record:
        read = network.decoder(x)
    outputs = {
        "hidden_last": read.states,
        "attention_0": record["attention"][0].tensors["weights"],
        **states(network, x),
        **heads(network, read),
        **routing(network, read),
        **forecasts(golden, network),
    }
    if "labels" not in golden.inputs:
        return Ours(outputs)
    outputs |= losses(golden, network, read)
    return Ours(outputs, {"": outputs["loss_with_masks"]})


def network_of(golden: Golden, length: int, n: int) -> TimeMoE:
    config = json.loads((golden.checkpoint / "config.json").read_text(encoding="utf-8"))
    return TimeMoE(Sizes(length, n), **TimeMoEModel.architecture(config)).eval()


def states(network: TimeMoE, x: Tensor) -> dict[str, Tensor]:
    """Return what enters each layer, and what comes out of the norm behind the last."""
    seen: list[Tensor] = []
    layers = network.decoder.layers
    handles = [layer.register_forward_pre_hook(lambda _, given: seen.append(given[0])) for layer in layers]
    last = network.decoder(x).states
    for handle in handles:
        handle.remove()
    return {f"hidden_{i}": state for i, state in enumerate([*seen, last])}


def heads(network: TimeMoE, read: Read) -> dict[str, Tensor]:
    lengths = enumerate(network.horizon_lengths)
    return {f"logits_h{length}": network.decoder.ahead(read.states, i).squeeze(-1) for i, length in lengths}


def routing(network: TimeMoE, read: Read) -> dict[str, Tensor]:
    outputs = {}
    for i, logits in enumerate(read.logits):
        weights, experts = logits.softmax(-1).topk(network.n_experts_per_token, dim=-1)
        outputs |= {f"router_logits_{i}": logits, f"router_weights_{i}": weights, f"router_experts_{i}": experts}
    return outputs


def forecasts(golden: Golden, network: TimeMoE) -> dict[str, Tensor]:
    """Forecast as far as the file does, from whole windows, from padded ones, and by the recipe of the README."""
    outputs = {}
    expected = golden.outputs | golden.float32
    x = golden.inputs["x"]
    for name in expected:
        if not name.startswith(("generate_", "readme_forecast_")):
            continue
        n = int(name.removesuffix("_leftpad").rpartition("_")[2])
        ahead = network_of(golden, x.shape[1], n)
        ahead.decoder = network.decoder
        if name.startswith("readme"):
            normalised, statistics = InstanceNorm(**vars(TimeMoE.window_spread))(golden.inputs["series"].unsqueeze(-1))
            outputs[name] = (ahead(Window(normalised)).squeeze(-1) * statistics.spread + statistics.level).squeeze(-1)
            continue
        start = None
        if name.endswith("_leftpad"):
            start = golden.inputs["attention_mask"].int().argmax(dim=1)
        outputs[name] = ahead(Window(x.unsqueeze(-1), start=start)).flatten(1)
    return outputs


def losses(golden: Golden, network: TimeMoE, read: Read) -> dict[str, Tensor]:
    """Return the losses of the reference, which counts a horizon that overhangs as zeros unless it is masked."""
    labels, mask = golden.inputs["labels"], golden.inputs["loss_masks"]
    outputs = {}
    for i, length in enumerate(network.horizon_lengths):
        out = network.decoder.ahead(read.states, i).squeeze(-1)
        target, known = (F.pad(t, (0, length - 1)).unfold(1, length, 1) for t in (labels, mask))
        each = F.huber_loss(out, target, delta=HUBER_DELTA, reduction="none")
        outputs |= {f"ar_loss_h{length}": each.mean(), f"ar_loss_masked_h{length}": (each * known).sum() / known.sum()}
    balance = torch.zeros(())
    if read.logits:
        outputs["aux_loss"] = unevenness(network, read)
        balance = network.balance * outputs["aux_loss"]
    if read.logits and "attention_mask" in golden.inputs:
        there = golden.inputs["attention_mask"].bool()
        outputs["aux_loss_masked"] = unevenness(network, network.decoder(golden.inputs["x"], there=there), there)
    for name, kind in (("loss", "ar_loss"), ("loss_with_masks", "ar_loss_masked")):
        of_heads = [outputs[f"{kind}_h{length}"] for length in network.horizon_lengths]
        outputs[name] = torch.stack(of_heads).mean() + balance
    return outputs


def unevenness(network: TimeMoE, read: Read, there: Tensor | None = None) -> Tensor:
    tokens = [logits.flatten(0, 1) for logits in read.logits]
    return load_balance(tokens, network.n_experts_per_token, None if there is None else there.flatten())


TIME_MOE = Mapping(
    systems=("Time-MoE",),
    run=run,
    tolerances={"out/aux_loss*": 1e-6, "out/loss*": 1e-6},  # the reference rounds the loads to float32
)
