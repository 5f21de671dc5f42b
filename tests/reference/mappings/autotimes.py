"""AutoTimes: forecasts of all segments, the loss over them, and roll-outs, around GPT-2, LLaMA or OPT."""

import re
from typing import Any

import torch
from torch import Tensor

from darts_tsformers.networks import AutoTimes
from darts_tsformers.networks._patch_by_patch import Patched
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights

MAP = re.compile(r"(encoder|decoder)\.(?:layers\.(\d+)\.)?(weight|bias)")
LANGUAGE = re.compile(r"[^.]+\.(?:(?:model|transformer)\.)?(.+)")


def run(golden: Golden) -> Ours:
    x = golden.inputs["x"]
    p = golden.meta["config"]["token_len"]
    marks = [golden.inputs[name] for name in ("x_mark", "y_mark") if name in golden.inputs]
    covariates = torch.cat(marks, dim=1).repeat_interleave(p, dim=1) if marks else None
    network = network_of(golden, p)
    outputs = {"forward": network.ahead(Patched(x, None, covariates))[-1].squeeze(-1)}
    for name in golden.outputs:
        if name.startswith("rollout_"):
            outputs[name] = roll_out(golden, covariates, int(name.removeprefix("rollout_")))
    if "loss" not in golden.outputs:
        return Ours(outputs)
    target = torch.cat([x, golden.inputs["future"]], dim=1)[:, p:]
    outputs["loss"] = (outputs["forward"] - target).square().mean()
    return Ours(outputs, {"": outputs["loss"]})


def roll_out(golden: Golden, covariates: Tensor | None, n: int) -> Tensor:
    x = golden.inputs["x"]
    past, future = (
        (None, None) if covariates is None else covariates.split([x.shape[1], covariates.shape[1] - x.shape[1]], 1)
    )
    window = Window(x, historic_future=past, future=None if future is None else future[:, :n])
    return network_of(golden, n)(window).squeeze(-1)


def network_of(golden: Golden, n: int) -> AutoTimes:
    config, weights = golden.meta["config"], ours(golden.params)
    n_marks = golden.inputs["x_mark"].shape[-1] if "x_mark" in golden.inputs and config["mix"] else 0
    network = AutoTimes(
        Sizes(golden.inputs["x"].shape[1], n, n_future=n_marks),
        patch_length=config["token_len"],
        n_hidden_layers=max(config["mlp_layers"] - 1, 0),
        d_hidden=config["mlp_dim"],
        dropout=0.0,
        activation=config.get("mlp_activation", "tanh"),
        marks="given",
        backbone="random",
        architecture=config["llm"],
        backbone_sizes=sizes(config, weights),
    )
    if network.mark_scale is None:
        weights.pop("mark_scale", None)
    with_weights(network, weights | {"norm.epsilon": network.norm.epsilon.double()})
    return network


def sizes(config: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Any]:
    """Read the sizes of a language model off its weights, where the settings do not say them."""

    def rows(ending: str) -> int | None:
        return next((len(weight) for name, weight in weights.items() if name.endswith(ending)), None)

    found = {"d_model": config["d"], "n_layers": config["layers"], "n_heads": config["heads"]}
    found["vocab_size"] = rows("wte.weight") or rows("embed_tokens.weight")
    found["d_ff"] = rows("c_fc.bias") or rows("up_proj.weight") or rows("fc1.weight")
    if n_positions := rows("wpe.weight"):
        found["n_positions"] = n_positions
    if n_positions := rows("embed_positions.weight"):
        found["max_position_embeddings"] = n_positions - 2
    if n_keys := rows("k_proj.weight"):
        found |= {"num_key_value_heads": n_keys * config["heads"] // config["d"]} if config["llm"] == "llama" else {}
    return found


def ours(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put weights under our names; maps of the reference count their activations and dropouts as well, as ours do."""
    found = {}
    for name, weight in weights.items():
        if name == "add_scale":
            found["mark_scale"] = weight
        elif match := MAP.fullmatch(name):
            part, at, kind = match.groups()
            found[f"{part}.{at or 0}.{kind}"] = weight
        elif not name.endswith("lm_head.weight") and (match := LANGUAGE.fullmatch(name)):
            found[f"language.backbone.{match.group(1)}"] = weight
    return found


AUTOTIMES = Mapping(systems=("AutoTimes",), run=run)
