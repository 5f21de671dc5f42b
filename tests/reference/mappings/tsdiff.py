"""TSDiff: its network with state spaces, and its samplers and refinements with a denoiser that needs none."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.diffusion import (
    Guidance,
    Schedule,
    ddim,
    ddim_step,
    ddpm,
    ddpm_step,
    distance,
    quantile_levels,
    refined,
    spaced,
)
from darts_tsformers.layers.diffusion_step import step_embedding
from darts_tsformers.layers.recurrent.s4_denoiser import GatedS4Block, S4Denoiser
from darts_tsformers.recurrence import s4_read
from darts_tsformers.window.magnitude_norm import MagnitudeNorm
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, renamed, with_weights

NAMES = {
    "input_init.0.": "project_in.",
    "time_init.": "project_step.",
    "out_linear.": "project_out.",
    "residual_blocks.": "blocks.",
    "s4block.norm.": "norm.",
    "s4block.layer.kernel.kernel.": "mixer.",
    "s4block.layer.": "mixer.",
    "output_linear.": "project_out.",
    "time_linear.": "of_step.",
    "out_linear1.": "onward.",
    "out_linear2.": "shown.",
    "feature_encoder.": "features.",
    "inv_w_real": "log_decay",
    "w_imag": "frequency",
    "log_dt": "log_step",
    "mixer.P": "mixer.low_rank",
    "mixer.B": "mixer.write",
    "mixer.C": "mixer.read",
    "mixer.D": "mixer.skip",
}


class Waves:
    """The noise of the files: that of call ``k`` is a sine of its own phase."""

    def __init__(self, like: Tensor) -> None:
        self.like, self.k = like, 0

    def __call__(self) -> Tensor:
        steps = torch.arange(self.like.numel(), dtype=torch.float64)
        self.k += 1
        return (1.3 * torch.sin(0.37 * steps + 1.1 * (self.k - 1) + 0.2)).view_as(self.like)


def laid_out(golden: Golden) -> tuple[Tensor, Tensor, Tensor]:
    """Return look-back and horizon with their lags, what was observed of it, and the scale of the context."""
    config, given = golden.meta["config"], golden.inputs
    context, horizon = config["context"], config["pred"]
    seen = given["past_observed_values"] > 0
    last, hidden = given["past_target"][:, -context:, None], ~seen[:, -context:, None]
    _, statistics = MagnitudeNorm()(last.masked_fill(hidden, 0), hidden)
    whole = torch.cat([given["past_target"].masked_fill(~seen, 0), given["future_target"]], dim=1)
    observed = torch.cat([seen, torch.zeros_like(given["future_target"]) > 0], dim=1)
    lags = [0, *config["lags"]] if config["use_lags"] else [0]
    sources = torch.arange(whole.shape[1] - context - horizon, whole.shape[1])[:, None] - torch.tensor(lags)
    return whole[:, sources] / statistics.spread, observed[:, sources], statistics.spread


def outputs_of_guided(golden: Golden, denoise: Callable[[Tensor, int], Tensor], schedule: Schedule) -> dict[str, Any]:
    """Return the paths of all samplers, with what guides them."""
    config, n = golden.meta["config"], golden.meta["num_samples"]
    x, observed, scale = laid_out(golden)
    values, seen = (part.repeat_interleave(n, dim=0) for part in (x, observed))
    values = values * seen
    levels = quantile_levels(torch.arange(n), n).to(x).repeat(len(x))[:, None, None]
    guides = {
        "quantile": Guidance(values, seen, config["guide_scale"], levels),
        "MSE": Guidance(values, seen, config["guide_scale"]),
    }

    def horizon(y: Tensor) -> Tensor:
        return y[:, -config["pred"] :, 0].unflatten(0, (-1, n)) * scale

    ours: dict[str, Any] = {"observation": values, "observation_mask": seen.to(x), "guides": guides, "horizon": horizon}
    for name, guide in guides.items():
        draw = Waves(values)
        ours[f"ddpm_guided_{name}"] = horizon(ddpm(denoise, draw(), schedule, draw, guide))
    return ours


def run_samplers(golden: Golden) -> Ours:
    """Sample and refine with the denoiser of the file."""
    config = golden.meta["config"]
    schedule = Schedule(config["timesteps"])
    part = golden.part("denoiser/")

    def denoise(x: Tensor, t: int) -> Tensor:
        return torch.tanh(x @ part["W"] + part["a"] * (t + 1) / len(schedule) + part["b"])

    x, _, scale = laid_out(golden)
    noised = schedule.noised(x, Waves(x)(), golden.inputs["t"])
    own = torch.cat([schedule.clean(one[None], denoise(one[None], t), t)
                     for one, t in zip(noised, golden.inputs["t"].tolist(), strict=True)])  # fmt: skip
    draw = Waves(x)
    guided = outputs_of_guided(golden, denoise, schedule)
    guides, horizon = guided.pop("guides"), guided.pop("horizon")
    outputs = guided | {
        "x": x,
        "scale": scale,
        "q_sample": noised,
        "fast_denoise": own,
        "p_sample": ddpm_step(schedule, noised, denoise(noised, 3), 3, Waves(x)()),
        "p_sample_t0": ddpm_step(schedule, noised, denoise(noised, 0), 0, Waves(x)()),
        "p_sample_ddim": ddim_step(schedule, noised, denoise(noised, 3), 3, 2),
        "p_sample_genddim_eta0.5_3_to_1": ddim_step(schedule, noised, denoise(noised, 3), 3, 1, Waves(x)(), eta=0.5),
        "ddpm_unconditional": ddpm(denoise, draw(), schedule, draw),
    }
    for name, guide in guides.items():
        apart = Waves(guide.values)()
        guess, gradient = guide.gradient(denoise, apart, 4, schedule)
        outputs[f"energy_{name}"] = guide.energy(schedule.clean(apart, guess, 4))
        outputs[f"score_{name}"] = -gradient
        outputs |= all_ddim(golden, name, guide, denoise, schedule, horizon)
        outputs |= all_refined(golden, name, guide, denoise, schedule, horizon)
    return Ours(outputs)


def all_ddim(golden: Golden, name: str, guide: Guidance, denoise: Any, schedule: Schedule, horizon: Any) -> dict:
    """Take the steps that the names of the outputs speak of."""
    outputs = {}
    for key in golden.outputs:
        if key.startswith(f"ddim_{name}_"):
            eta, skip, spacing = key.removeprefix(f"ddim_{name}_").split("_")
            steps = spaced(len(schedule), int(skip.removeprefix("skip")), spacing)
            draw = Waves(guide.values)
            drawn = ddim(denoise, draw(), schedule, steps, draw, guide, eta=float(eta.removeprefix("eta")))
            outputs |= {key: horizon(drawn), f"timesteps_{skip}_{spacing}": torch.tensor(steps)}
    return outputs


def all_refined(golden: Golden, name: str, guide: Guidance, denoise: Any, schedule: Schedule, horizon: Any) -> dict:
    """Refine forecasts in order, and the last season in their place; theirs ties gaps of the look-back to zero."""
    config, meta = golden.meta["config"], golden.meta
    length = config["pred"]
    _, _, scale = laid_out(golden)
    forecasts = golden.inputs["init_forecasts"].sort(dim=1).values / scale
    base = guide.values.clone()
    base[:, -length:, 0] = forecasts.flatten(0, 1)
    tied = torch.ones_like(guide.observed)
    if guide.levels is None:
        tied[:, -length:, 0] = False

    def result(start: Tensor, n_iterations: int, noise_scale: float = 0.0) -> Tensor:
        def tie(y: Tensor) -> Tensor:
            return (tied * distance(y, start, guide.levels)).sum()

        how = {"t": config["fixed_t"], "n_iterations": n_iterations, "noise_scale": noise_scale}
        return horizon(refined(denoise, start, schedule, Waves(start), tie, rate=meta["lmc_step_size"], **how))

    outputs = {f"refine_ml_{name}_{i}": result(base, i) for i in (1, 4)}
    outputs[f"refine_lmc_{name}"] = result(base, 3, meta["lmc_step_size"])
    if guide.levels is not None:
        season, seasonal = 7, base.clone()
        for h in range(length):
            seasonal[:, h - length, 0] = seasonal[:, h - length - season, 0]
        outputs[f"refine_ml_{name}_seasonal7_2"] = result(seasonal, 2)
    return outputs


CHAINS = "Hamiltonian and underdamped chains are not there"
SAMPLERS = Mapping(
    systems=("TSDiff samplers with a stand-in denoiser",),
    run=run_samplers,
    left_out=dict.fromkeys(["out/refine_hmc_*", "out/refine_udld_*"], CHAINS),
)


def run_network(golden: Golden) -> Ours:
    """Guess the noise and sample."""
    config = golden.meta["config"]
    schedule = Schedule(config["timesteps"])
    x, _, scale = laid_out(golden)
    features = features_of(golden, scale) if config["use_features"] else None
    n_features = 0 if features is None else features.shape[-1]
    weights, reads = our_weights(golden)
    n_blocks, n_channels = config["blocks"], x.shape[-1]
    d_state = 2 * weights["blocks.0.mixer.log_decay"].shape[-1]
    denoiser = S4Denoiser(
        n_channels,
        n_channels,
        x.shape[1],
        d_model=config["hidden"],
        d_step=config["step_emb"],
        d_state=d_state,
        n_layers=n_blocks,
        n_features=n_features,
        skips=config["init_skip"],
    )
    first = GatedS4Block(config["hidden"], d_state, x.shape[1], n_features=n_features)
    start = "blocks.0."
    of_first = {name.removeprefix(start): weight for name, weight in weights.items() if name.startswith(start)}
    unread = [] if n_features else ["features."]
    with_weights(first, without(of_first, unread))
    with_weights(denoiser, without(weights, [*unread, f"blocks.{n_blocks - 1}.onward."]))

    t, noise = golden.inputs["t"], Waves(x)()
    noised = schedule.noised(x, noise, t)
    guess = denoiser(noised, t, denoiser.known(features))
    clean = [schedule.clean(noised[i], guess[i], int(t[i])) for i in range(len(t))]
    block_x, block_t = golden.inputs["block_x"].mT, golden.inputs["block_t"]
    handed_on, shown = first(block_x, block_t, first.known(features))
    moved = block_x + first.of_step(block_t)[:, None]
    loss = F.mse_loss(guess, noise)
    ours = {
        "x": x,
        "scale": scale,
        "features": features,
        "x_noisy": noised,
        "predicted_noise": guess,
        "loss_l2": loss,
        "loss_l1": F.l1_loss(guess, noise),
        "loss_huber": F.smooth_l1_loss(guess, noise),
        "fast_denoise": torch.stack(clean),
        "block_out": handed_on.mT,
        "block_skip": shown.mT,
        "block_s4layer": (moved + first.mixer(first.norm(moved))).mT,
        "step_embedding": step_embedding(t, config["step_emb"]),
    }
    ours |= {f"s4_kernel_{i}": block.mixer.kernels() for i, block in enumerate(denoiser.blocks)}
    with torch.no_grad():
        ours |= sampled(golden, denoiser, features, schedule, x)
    return Ours({name: one for name, one in ours.items() if one is not None}, {"": loss}, leaves=reads)


def without(weights: dict[str, Tensor], parts: list[str]) -> dict[str, Tensor]:
    return {name: weight for name, weight in weights.items() if not any(part in name for part in parts)}


def features_of(golden: Golden, scale: Tensor) -> Tensor:
    """Return what they know of each step: the scale, the category, the numbers of a series, and times."""
    given, (embedding,) = golden.inputs, golden.part("state_model/").values()
    config = golden.meta["config"]
    category = F.embedding(given["feat_static_cat"].long(), embedding).flatten(1)
    fixed = torch.cat([scale[:, 0].log(), category, given["feat_static_real"]], dim=-1)
    times = torch.cat([given["past_time_feat"][:, -config["context"] :], given["future_time_feat"]], dim=1)
    return torch.cat([fixed[:, None].expand(-1, times.shape[1], -1), times], dim=-1)


def sampled(
    golden: Golden, denoiser: S4Denoiser, features: Tensor | None, schedule: Schedule, x: Tensor
) -> dict[str, Tensor]:
    def denoise(known: Any, y: Tensor, t: int) -> Tensor:
        return denoiser(y, torch.full(y.shape[:1], t), known)

    repeated = None if features is None else features.repeat_interleave(golden.meta["num_samples"], dim=0)
    draw = Waves(x)
    one = ddpm(partial(denoise, denoiser.known(features)), draw(), schedule, draw)
    guided = outputs_of_guided(golden, partial(denoise, denoiser.known(repeated)), schedule)
    return {"ddpm_unconditional": one} | {name: guided[name] for name in guided if name.startswith("ddpm_guided")}


def our_weights(golden: Golden) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the weights under our names, and what stands for the vectors that are read with, by theirs.

    Theirs are replaced in the first forward pass, after which they learn; a file has them before it.
    """
    params = {name: weight for name, weight in golden.params.items() if not name.endswith(".kernel.L")}
    config, leaves = golden.meta["config"], {}
    for name in params:
        start = name.removesuffix("C")
        if name.endswith("kernel.kernel.C"):
            poles = torch.complex(-params[f"{start}inv_w_real"].exp(), params[f"{start}w_imag"])
            low_rank, read = (torch.view_as_complex(params[start + part].detach()) for part in "PC")
            step = params[f"{start}log_dt"].exp()
            with torch.no_grad():
                read = s4_read(poles, low_rank[0], read, step, config["context"] + config["pred"])
            leaves[name] = torch.view_as_real(read).requires_grad_()
    ours = renamed(params | leaves, NAMES)
    for name, weight in ours.items():
        if name.endswith((".low_rank", ".write", ".skip")):
            ours[name] = weight.squeeze(0)
        elif name.endswith(".weight") and weight.ndim == 3:
            ours[name] = weight.squeeze(-1)
    return ours, leaves


NETWORK = Mapping(systems=("TSDiff network",), run=run_network, tolerances={"out/*": 1e-8})
