"""TEMPO: the split, what the language model reads, the forecast of each part, and roll-outs of ``predict``."""

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from darts_tsformers.networks import TEMPO, Forecaster
from darts_tsformers.networks.tempo import Said
from darts_tsformers.window import Sizes, Window
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, cosine, with_weights

THEIR_PARTS = ("trend", "season", "noise")
LANGUAGE = "gpt2_trend.base_model.model."
UNUSED = re.compile(r"mul_season|map_resid|rev_in_(season|noise)|prompt_(key|value)_dict|(mu|sigma|nu|alpha)\.")


def run(golden: Golden) -> Ours:
    x, config = golden.inputs["x"], golden.meta["config"]
    model = forecaster_of(golden, x)
    network = model.network
    read: list[Tensor] = []
    handle = network.language.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    window = Window(x)
    seen, statistics = model._seen(window)
    said: Said = network.read(seen)
    handle.remove()
    outputs = {"llm_input_joint": read[-1], "loss_local": loss_local(golden, said)}
    for name, part, forecast in zip(("trend", "season", "resid"), said.parts, said.forecasts, strict=True):
        outputs[f"{name}_patches"] = network.patching(part).flatten(0, 1)
        outputs[f"out_{name}"] = forecast.squeeze(-1).mT.flatten(0, 1)
    if said.chosen:
        outputs["selected_prompts"] = torch.stack([chosen.prompt.sort(dim=-1).values for chosen in said.chosen])
    forecast = model._restored(said.forecasts.sum(dim=0) + said.known, statistics).squeeze(-1)
    answers = parameters(golden, forecast) if config["loss_func"] == "prob" else {"forward": forecast}
    outputs |= answers
    for name in golden.float32:
        if name.startswith("predict_"):
            outputs[name] = predicted(model, golden.inputs[name], len(golden.float32[name]))
    return Ours(outputs, {"": sum(map(cosine, answers.values())) + outputs["loss_local"]})


def forecaster_of(golden: Golden, x: Tensor) -> Forecaster:
    """Build TEMPO of the settings and the weights of a file, behind the normalisation that their code has inside."""
    config, weights = golden.meta["config"], dict(golden.params)
    adapter = weights.get(f"{LANGUAGE}h.0.attn.c_attn.lora_A.default.weight")
    sizes = {
        "d_model": config["d"],
        "n_layers": config["gpt_layers"],
        "n_heads": config["heads"],
        "vocab_size": weights[f"{LANGUAGE}wte.weight"].shape[0],
        "n_positions": weights[f"{LANGUAGE}wpe.weight"].shape[0],
    } | dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0)
    pool = config["pool"] and config["prompt"] == 1
    values = numbered(weights, "prompt_value_dict.prompt_value_")
    selected = golden.outputs.get("selected_prompts")
    network = TEMPO(
        Sizes(x.shape[1], config["T"], n_targets=x.shape[2]),
        backbone="random",
        backbone_sizes=sizes,
        lora_rank=None if adapter is None else len(adapter),
        prompt="none" if config["prompt"] != 1 else "pool" if pool else "text",
        n_prompts=max(len(values), 3),
        prompt_length=values[0].shape[0] if values else 3,
        top_k=3 if selected is None else selected.shape[-1],
        head_reads_prompts=config["prompt"] == 1 and config["use_token"] == 1,
        patch_length=config["patch"],
        stride=config["stride"],
        faithful=True,
    )
    model = Forecaster(network, instance_norm_affine=True)
    model.instance_norm.epsilon.fill_(1e-5)
    if network.texts is not None:
        put_in_text(network, [golden.inputs[f"prompt_ids_{name}"] for name in ("trend", "season", "residual")], golden)
    own = model.state_dict()
    ours = {name: weight for name, weight in own.items() if not name.startswith(("network.", "instance_norm."))}
    ours["instance_norm.epsilon"] = own["instance_norm.epsilon"]
    for name, weight in weights.items():
        if UNUSED.match(name) or ("prompt_layer" in name and network.texts is None):
            continue
        if "summary_map" in name and network.pool is None:
            continue
        ours[our_name(name)] = weight
    if pool:
        ours["network.pool.prompts"] = torch.stack(values)
        ours["network.pool.keys"] = torch.stack(numbered(weights, "prompt_key_dict.prompt_key_"))
    return with_weights(model, ours)


def our_name(name: str) -> str:
    """Return the name of a weight here. With adapters it has been another one since peft 0.6: both are known."""
    if name.startswith(LANGUAGE):
        name = re.sub(r"\.c_attn\.(weight|bias)$", r".c_attn.base_layer.\1", name)
        name = re.sub(r"\.lora_([AB])\.weight$", r".lora_\1.default.weight", name)
        return f"network.language.backbone.{name.removeprefix(LANGUAGE)}"
    name = re.sub(r"^rev_in_trend\.affine_", "instance_norm.", name)
    name = re.sub(r"^map_", "network.decomposition.", name)
    name = re.sub(r"^summary_map\.", "network.pool.summary_", name)
    for i, part in enumerate(THEIR_PARTS):
        name = name.replace(f"prompt_layer_{part}.", f"network.texts.maps.{i}.")
        name = name.replace(f"in_layer_{part}.", f"network.pieces.{i}.embedding.")
        name = name.replace(f"out_layer_{part}.", f"network.pieces.{i}.head.")
    return name


def numbered(weights: dict[str, Tensor], start: str) -> list[Tensor]:
    """Return the weights whose names begin so and end with a number, in its order."""
    found = {int(name.removeprefix(start)): weight for name, weight in weights.items() if name.startswith(start)}
    return [found[i] for i in sorted(found)]


def put_in_text(network: TEMPO, ids: list[Tensor], golden: Golden) -> None:
    """Let prompts be of the words that the file has, and heads as wide as they then are."""
    network.texts.lengths = [one.shape[1] for one in ids]
    network.texts.ids = torch.cat(ids, dim=1).squeeze(0)
    for name, piece in zip(THEIR_PARTS, network.pieces, strict=True):
        piece.head = nn.Linear(golden.params[f"out_layer_{name}.weight"].shape[1], piece.head.out_features)


def loss_local(golden: Golden, said: Said) -> Tensor:
    """Return the loss of the split, against parts that are standardised one by one, as their code has them."""
    total = torch.zeros(())
    for part, name in zip(said.parts, ("trend", "season", "resid"), strict=True):
        taught = golden.inputs[name].mT
        centred = taught - taught.mean(dim=-1, keepdim=True)
        standardised = centred / (centred.var(dim=-1, correction=0, keepdim=True) + 1e-5).sqrt()
        total = total + (part - standardised).square().mean()
    return total


def parameters(golden: Golden, forecast: Tensor) -> dict[str, Tensor]:
    """Return the parameters of Student's t, which their code makes of a forecast in data units."""
    y = forecast.squeeze(-1)
    raw = {n: F.linear(y, golden.params[f"{n}.weight"], golden.params[f"{n}.bias"]) for n in ("mu", "sigma", "nu")}
    return {"mu": raw["mu"], "sigma": F.softplus(raw["sigma"]) + 1e-6, "nu": F.softplus(raw["nu"]) + 2}


@torch.no_grad()
def predicted(model: Forecaster, series: Tensor, n: int) -> Tensor:
    """Roll out as ``predict`` does: on the scale of the whole series, and put back twice by the window's own."""
    length, step = model.network.sizes.input_length, model.network.sizes.output_length
    seen = model.instance_norm(series.view(1, -1, 1).double())[0]
    missing = length - seen.shape[1]
    if missing > seen.shape[1]:
        seen = F.pad(seen, (0, 0, missing, 0))
    elif missing > 0:
        seen = seen.repeat(1, length // seen.shape[1] + 1, 1)[:, :length]
    else:
        seen = seen[:, -length:]
    found: list[Tensor] = []
    while sum(map(len, found)) < n:
        _, statistics = model._seen(Window(seen))
        ahead = model._restored(model(Window(seen)), statistics).squeeze(-1)
        found.append(ahead.flatten())
        seen = torch.cat([seen[:, step:], ahead], dim=1)
    return torch.cat(found)[:n]


TEMPO_MAPPING = Mapping(systems=("TEMPO",), run=run, tolerances={"f32/predict_*": 1e-4})
