"""Time-LLM: what each part makes of a window, with the prompts of the file, padded as its authors pad them."""

import torch
from einops import rearrange
from torch import Tensor
from transformers import AutoConfig, AutoModel

from darts_tsformers.language import LanguageModel
from darts_tsformers.language.tokenizer import Bytes
from darts_tsformers.networks import TimeLLM
from darts_tsformers.networks._time_llm_prompts import Spoken, autocorrelation
from darts_tsformers.networks.time_llm import read
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.instance_norm import InstanceNorm
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, cosine, renamed, with_weights

LANGUAGE = "llm_model."
NAMES = {
    "patch_embedding.value_embedding.tokenConv.": "embedding.linear.",
    "mapping_layer.": "prototypes.linear.",
    "reprogramming_layer.query_projection.": "reprogramming.query.",
    "reprogramming_layer.key_and_value.": "reprogramming.key_and_value.",
    "reprogramming_layer.out_projection.": "reprogramming.project_out.",
    "output_projection.linear.": "head.",
    LANGUAGE: "language.backbone.",
}


def run(golden: Golden) -> Ours:
    """Normalise as the authors do, and put the given prompts before the patches, without a mask."""
    network = with_weights(network_of(golden), our_weights(golden))
    normalised, statistics = InstanceNorm(epsilon=1e-5)(golden.inputs["x"])
    patches, prototypes = network.embed(Window(normalised)), network.drawn_prototypes()
    said = network.reprogramming(patches, prototypes)
    prompts = Spoken(torch.zeros(0, dtype=torch.int64), golden.inputs["prompt_ids"])
    states = read(network.language, said, prompts)
    forecast = network.forecast(states, Window(normalised)).squeeze(-1) * statistics.spread + statistics.level
    series = rearrange(normalised, "B L C -> (B C) L")
    outputs = {
        "patch_embedding": patches,
        "prototypes": prototypes,
        "reprogrammed": said,
        "llm_input_last_N": said,
        "llm_output_last_N": states,
        "stat_min": series.amin(-1),
        "stat_max": series.amax(-1),
        "stat_median": series.median(-1).values,
        "stat_trend": series[:, -1] - series[:, 0],
        "stat_lags": lags(series, golden.outputs["stat_lags"]),
        "forward": forecast,
    }
    return Ours(outputs, {"": cosine(forecast)})


def network_of(golden: Golden) -> TimeLLM:
    config, batch = golden.meta["config"], golden.inputs["x"]
    network = TimeLLM(
        Sizes(batch.shape[1], config["T"], n_targets=batch.shape[2]),
        backbone="random",
        backbone_sizes={"d_model": config["llm_dim"], "n_layers": 1, "n_heads": config["llm_heads"]},
        n_backbone_layers=1,
        n_prototypes=config["num_tokens"],
        patch_length=config["patch_len"],
        stride=config["stride"],
        d_model=config["d_model"],
        n_heads=config["n_heads"],
        d_ff=config["d_ff"],
    )
    network.language = language_of(golden)
    network.prototypes = type(network.prototypes)(config["vocab"], config["num_tokens"])
    return network


def language_of(golden: Golden) -> LanguageModel:
    own = dict(golden.meta["llm_config"])
    model = AutoModel.from_config(AutoConfig.for_model(own.pop("model_type"), **own))
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return LanguageModel(model, golden.meta["config"]["llm"], Bytes, is_published=False)


def our_weights(golden: Golden) -> dict[str, Tensor]:
    """Join keys and values; their kernels have time last, and their head flattens features first, ours patches."""
    theirs = {name: weight for name, weight in golden.params.items() if not name.startswith(f"{LANGUAGE}pooler.")}
    for kind in ("weight", "bias"):
        parts = [theirs.pop(f"reprogramming_layer.{part}_projection.{kind}") for part in ("key", "value")]
        theirs[f"reprogramming_layer.key_and_value.{kind}"] = torch.cat(parts)
    kernel, head = "patch_embedding.value_embedding.tokenConv.weight", "output_projection.linear.weight"
    theirs[kernel] = rearrange(theirs[kernel], "d p k -> d (k p)")
    theirs[head] = rearrange(theirs[head], "H (D N) -> H (N D)", D=golden.meta["config"]["d_ff"])
    return renamed(theirs, NAMES)


def lags(series: Tensor, theirs: Tensor) -> Tensor:
    """Return the lags of the largest circular autocorrelation, as many as they have.

    A lag and its mirror image have the same: which of the two comes first, and which of them is the last, rounding
    decides, and we take it from them.
    """
    length = series.shape[-1]
    order = autocorrelation(series).argsort(dim=-1, descending=True)
    found = []
    for own, their in zip(order.tolist(), theirs.long().tolist(), strict=True):
        folded = [lag for lag in own for _ in range(2 if 0 < lag < length / 2 else 1)]
        found.append([t if min(t, length - t) == lag else lag for lag, t in zip(folded, their, strict=False)])
    return torch.tensor(found)


TIME_LLM = Mapping(
    systems=("Time-LLM",),
    run=run,
    left_out={
        "out/forward_each_sample_alone": "rounding puts lags in another order there: these prompts are not in the file"
    },
)
