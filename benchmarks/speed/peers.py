"""Our models beside those that people have already, at equal sizes: training step and inference.

The peers are neuralforecast's models through Darts' own wrapper, which is how a user of Darts has them, transformers'
models by themselves, and models of Darts. A step is forward, loss, backward and Adam; our models and Darts' run the
whole forward of the Lightning module, with all that a user of it has: instance normalisation, gaps, covariates' shared
head, and Adam as the module configures it. ``UNEQUAL`` says what cannot be the same for both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from darts import TimeSeries
from darts.models import NeuralForecastModel, TFTModel, TiDEModel, TransformerModel, TSMixerModel
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.core.figures import overlap, ratio
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Size, Speed, Step
from benchmarks.speed._darts import quiet, trained_briefly
from benchmarks.speed._gates import MODELS, Gate
from benchmarks.speed._steps import forecast, placed, train
from darts_tsformers import (
    AutoformerModel,
    FEDformerModel,
    InformerModel,
    ITransformerModel,
    PatchTSTModel,
    TemporalFusionTransformerModel,
)
from darts_tsformers.adapter.training.optimizer import fuse

TARGETS, HORIZON, HEADS, DROPOUT, FACTOR, MODES = 7, 96, 4, 0.05, 3, 32


@dataclass(frozen=True)
class Sizes:
    """What a family of models is built with."""

    length: int
    d_model: int

    @property
    def d_ff(self) -> int:
        return 4 * self.d_model


class Trainable(nn.Module):
    """A module that maps the past ``(B, L, C)`` to the future ``(B, H, C)``, with its loss and optimiser."""

    def loss(self, past: Tensor, future: Tensor) -> Tensor:
        return F.mse_loss(self(past), future)

    def optimizer(self) -> Optimizer:
        return torch.optim.Adam(self.parameters())


Build = Callable[[Sizes], Trainable]


class DartsModule(Trainable):
    """The Lightning module of a Darts model, built by fitting it to a single window."""

    def __init__(self, model: TorchForecastingModel, targets: int = TARGETS) -> None:
        super().__init__()
        n = model.input_chunk_length + HORIZON
        values = np.random.default_rng(0).normal(size=(n, targets)).astype(np.float32)
        model.fit(TimeSeries.from_values(values), verbose=False)
        self.module = model.model

    def to(self, device: torch.device) -> "DartsModule":
        """Move by the Lightning module's own way, which remembers where it is."""
        self.module.to(device)
        return self

    def optimizer(self) -> Optimizer:
        """Return what ``fit`` trains it with: Adam, unless a model says otherwise."""
        return self.module.configure_optimizers()

    def loss(self, past: Tensor, future: Tensor) -> Tensor:
        return F.mse_loss(self(past, future), future)

    def forward(self, past: Tensor, future: Tensor | None = None) -> Tensor:
        stage = ModuleStage.PREDICT if future is None else ModuleStage.TRAIN
        return self.module(PLModuleInput(past_target=past, future_target=future, stage=stage)).prediction[..., 0]


class OfTransformers(Trainable):
    """A module of transformers, whose trainer fuses Adam unless told otherwise."""

    def optimizer(self) -> Optimizer:
        return torch.optim.Adam(self.parameters(), fused=True)


class HuggingFace(OfTransformers):
    """A probabilistic encoder-decoder of transformers, whose loss is its own and which forecasts step by step."""

    def __init__(self, model: nn.Module, lags: int) -> None:
        super().__init__()
        self.model, self.lags = model, lags

    def given(self, past: Tensor) -> dict[str, Tensor]:
        longer = F.pad(past, (0, 0, self.lags, 0))
        time = torch.linspace(0, 1, longer.shape[1]).expand(len(past), -1)[..., None]
        ahead = torch.ones(len(past), HORIZON, 1)
        return {
            "past_values": longer,
            "past_time_features": time,
            "past_observed_mask": torch.ones_like(longer),
            "future_time_features": ahead,
        }

    def loss(self, past: Tensor, future: Tensor) -> Tensor:
        return self.model(**self.given(past), future_values=future).loss

    def forward(self, past: Tensor) -> Tensor:
        return self.model.generate(**self.given(past)).sequences[:, 0]


def ours(model: type, sizes: Sizes, **arguments: Any) -> Trainable:
    named = {"d_model": sizes.d_model, "n_heads": HEADS, "dropout": DROPOUT} | arguments
    return DartsModule(model(sizes.length, HORIZON, **named, **trained_briefly()))


def with_layers(sizes: Sizes) -> dict[str, Any]:
    return {"n_encoder_layers": 2, "d_ff": sizes.d_ff}


def with_decoder(sizes: Sizes) -> dict[str, Any]:
    return with_layers(sizes) | {"n_decoder_layers": 1, "label_length": sizes.length // 2}


def wrapped(name: str, sizes: Sizes, **arguments: Any) -> Trainable:
    named = {"hidden_size": sizes.d_model, "dropout": DROPOUT} | arguments
    return DartsModule(NeuralForecastModel(sizes.length, HORIZON, model=name, model_kwargs=named, **trained_briefly()))


def nf_decoder(sizes: Sizes) -> dict[str, Any]:
    return {"n_head": HEADS, "conv_hidden_size": sizes.d_ff, "encoder_layers": 2, "decoder_layers": 1}


def hf_decoder(sizes: Sizes) -> dict[str, Any]:
    lengths = {"context_length": sizes.length, "prediction_length": HORIZON, "input_size": TARGETS}
    width = {f"{part}_ffn_dim": sizes.d_ff for part in ("encoder", "decoder")}
    heads = {f"{part}_attention_heads": HEADS for part in ("encoder", "decoder")}
    all_layers = {"encoder_layers": 2, "decoder_layers": 1, "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0}
    dropouts = {"dropout": DROPOUT, "attention_dropout": 0.0, "activation_dropout": DROPOUT}
    once = {"num_parallel_samples": 1, "num_time_features": 1, "lags_sequence": [1]}
    return lengths | width | heads | all_layers | dropouts | once | {"d_model": sizes.d_model}


def our_informer(sizes: Sizes, **arguments: Any) -> Trainable:
    attention = ("prob_sparse", {"factor": FACTOR})
    return ours(InformerModel, sizes, attention=attention, **with_decoder(sizes) | arguments)


def our_informer_from_one_step(sizes: Sizes) -> Trainable:
    """As transformers has it, whose decoder starts from nothing."""
    return our_informer(sizes, label_length=1)


def nf_informer(sizes: Sizes) -> Trainable:
    return wrapped("Informer", sizes, factor=FACTOR, **nf_decoder(sizes))


def hf_informer(sizes: Sizes) -> Trainable:
    from transformers import InformerConfig, InformerForPrediction

    return HuggingFace(InformerForPrediction(InformerConfig(sampling_factor=FACTOR, **hf_decoder(sizes))), lags=1)


def our_autoformer(sizes: Sizes) -> Trainable:
    attention = ("auto_correlation", {"factor": FACTOR})
    return ours(AutoformerModel, sizes, attention=attention, **with_decoder(sizes))


def nf_autoformer(sizes: Sizes) -> Trainable:
    return wrapped("Autoformer", sizes, factor=FACTOR, **nf_decoder(sizes))


def hf_autoformer(sizes: Sizes) -> Trainable:
    from transformers import AutoformerConfig, AutoformerForPrediction

    named = {"autocorrelation_factor": FACTOR, "label_length": sizes.length // 2}
    return HuggingFace(AutoformerForPrediction(AutoformerConfig(**named, **hf_decoder(sizes))), lags=1)


def our_fedformer(sizes: Sizes) -> Trainable:
    return ours(FEDformerModel, sizes, modes=MODES, **with_decoder(sizes))


def nf_fedformer(sizes: Sizes) -> Trainable:
    return wrapped("FEDformer", sizes, modes=MODES, **(nf_decoder(sizes) | {"n_head": 8}))


def our_patchtst(sizes: Sizes) -> Trainable:
    return ours(PatchTSTModel, sizes, **with_layers(sizes))


def our_plain_patchtst(sizes: Sizes) -> Trainable:
    """As transformers has it: scores do not go from layer to layer, and the end is not padded."""
    return ours(PatchTSTModel, sizes, residual_attention=False, pad_end=False, **with_layers(sizes))


def nf_patchtst(sizes: Sizes) -> Trainable:
    named = {"n_heads": HEADS, "linear_hidden_size": sizes.d_ff, "encoder_layers": 2, "batch_normalization": True}
    return wrapped("PatchTST", sizes, **named, fc_dropout=DROPOUT)


def hf_patchtst(sizes: Sizes) -> Trainable:
    from transformers import PatchTSTConfig, PatchTSTForPrediction

    lengths = {"context_length": sizes.length, "prediction_length": HORIZON, "num_input_channels": TARGETS}
    width = {"d_model": sizes.d_model, "ffn_dim": sizes.d_ff, "num_attention_heads": HEADS, "num_hidden_layers": 2}
    patches = {"patch_length": 16, "patch_stride": 8, "pre_norm": False, "pooling_type": None, "ff_dropout": DROPOUT}

    class Forecaster(OfTransformers):
        def __init__(self) -> None:
            super().__init__()
            self.model = PatchTSTForPrediction(PatchTSTConfig(**lengths, **width, **patches))

        def forward(self, past: Tensor) -> Tensor:
            return self.model(past_values=past).prediction_outputs

    return Forecaster()


def our_itransformer(sizes: Sizes) -> Trainable:
    return ours(ITransformerModel, sizes, **with_layers(sizes))


def nf_itransformer(sizes: Sizes) -> Trainable:
    named = {"n_heads": HEADS, "d_ff": sizes.d_ff, "e_layers": 2}
    return wrapped("iTransformer", sizes, **named)


def our_tft(sizes: Sizes) -> Trainable:
    return ours(TemporalFusionTransformerModel, sizes, d_variable=8)


def darts_tft(sizes: Sizes) -> Trainable:
    named = {"hidden_size": sizes.d_model, "num_attention_heads": HEADS, "dropout": DROPOUT, "add_relative_index": True}
    return DartsModule(
        TFTModel(sizes.length, HORIZON, likelihood=None, loss_fn=nn.MSELoss(), **named, **trained_briefly())
    )


def nf_tft(sizes: Sizes) -> Trainable:
    return wrapped("TFT", sizes, n_head=HEADS)


def darts_transformer(sizes: Sizes) -> Trainable:
    layers = {"num_encoder_layers": 2, "num_decoder_layers": 1, "dim_feedforward": sizes.d_ff}
    named = {"d_model": sizes.d_model, "nhead": HEADS, "dropout": DROPOUT} | layers
    return DartsModule(TransformerModel(sizes.length, HORIZON, **named, **trained_briefly()))


def darts_tsmixer(sizes: Sizes) -> Trainable:
    return DartsModule(TSMixerModel(sizes.length, HORIZON, hidden_size=sizes.d_model, **trained_briefly()))


def darts_tide(sizes: Sizes) -> Trainable:
    return DartsModule(TiDEModel(sizes.length, HORIZON, hidden_size=sizes.d_model, **trained_briefly()))


FAMILIES: dict[str, dict[str, Build]] = {
    "Informer": {"ours": our_informer, "neuralforecast": nf_informer},
    "Informer, label of 1": {"ours": our_informer_from_one_step, "transformers": hf_informer},
    "Autoformer": {"ours": our_autoformer, "neuralforecast": nf_autoformer, "transformers": hf_autoformer},
    "FEDformer": {"ours": our_fedformer, "neuralforecast": nf_fedformer},
    "PatchTST": {"ours": our_patchtst, "neuralforecast": nf_patchtst},
    "PatchTST, plain": {"ours": our_plain_patchtst, "transformers": hf_patchtst},
    "iTransformer": {"ours": our_itransformer, "neuralforecast": nf_itransformer},
    "TFT": {"ours": our_tft, "Darts": darts_tft, "neuralforecast": nf_tft},
    "others": {
        "our PatchTST": our_patchtst,
        "our iTransformer": our_itransformer,
        "Darts TransformerModel": darts_transformer,
        "Darts TSMixerModel": darts_tsmixer,
        "Darts TiDEModel": darts_tide,
    },
}


def training_step(build: Build, *, batch: int, length: int, d_model: int, fused: bool = False) -> Step:
    """Train as the module says, or with its optimiser fused, as ours is on a processor."""
    quiet()
    module = placed(build, Sizes(length, d_model)).train()
    optimizer = module.optimizer()
    if fused:
        fuse(optimizer)
    past, future = (torch.randn(batch, n, TARGETS) for n in (length, HORIZON))
    return train(lambda: module.loss(past, future), optimizer)


def inference(build: Build, *, batch: int, length: int, d_model: int) -> Step:
    quiet()
    module = placed(build, Sizes(length, d_model)).eval()
    return forecast(module, torch.randn(batch, length, TARGETS))


def forecast_and_gradients(module: Trainable, *, batch: int, length: int) -> tuple[Tensor, list[Tensor]]:
    """Return what a module forecasts of noise, always the same, and the gradients of the weights it uses."""
    generator = torch.Generator().manual_seed(0)
    past, future = (
        torch.randn(batch, n, TARGETS, generator=generator, device="cpu").to(torch.get_default_device())
        for n in (length, HORIZON)
    )
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(module.loss(past, future), weights, allow_unused=True)
    return module(past).detach(), [one for one in gradients if one is not None]


SIZES: list[Size] = [
    {"batch": 32, "length": 96, "d_model": 64},
    {"batch": 32, "length": 336, "d_model": 64},
    {"batch": 32, "length": 96, "d_model": 512},
]


FUSED = ["PatchTST", "iTransformer"]
"""Where peers that step with a plain Adam are close: a good part of what is between us can be the optimiser's."""


def cases(family: str, step: Callable[..., Step]) -> dict[str, Callable[..., Step]]:
    """Return a case for each build, and in training one for a peer with our optimiser."""
    builds = FAMILIES[family]
    made: dict[str, Callable[..., Step]] = {name: partial(step, build) for name, build in builds.items()}
    if step is training_step and family in FUSED:
        peers = {name: build for name, build in builds.items() if name != "ours"}
        made |= {f"{name}, fused Adam": partial(step, build, fused=True) for name, build in peers.items()}
    return made


FASTER = {("PatchTST", "neuralforecast", "training step"), ("iTransformer", "neuralforecast", "training step")}
"""Where the aim is to take no more than 0.8 of a peer's time; elsewhere it is not to take more."""


PRODUCTS = (
    "Both make the same matrix products; what they are of our step is in the table of what a step is spent on, also at "
    "width 512: only the rest can be faster"
)
WHY = {
    ("PatchTST", "training step"): PRODUCTS,
    ("PatchTST, plain", "training step"): PRODUCTS,
}
FOLDED = f"neuralforecast's model forecasts one target: Darts folds the {TARGETS} into {TARGETS} times the windows."
ONE_BY_ONE = (
    f"transformers' has the loss of a Student's t, and forecasts the {HORIZON} steps one by one, along one path."
)
FEW_MODES = f"Both keep {MODES} modes; by default both would keep 64."
HALF = "Decoders start from half the look-back."
UNEQUAL = {
    "Informer": [FOLDED, HALF],
    "Informer, label of 1": [ONE_BY_ONE, "Its decoder starts from nothing, ours from one step of the past."],
    "Autoformer": [FOLDED, ONE_BY_ONE, HALF],
    "FEDformer": [FOLDED, HALF, "neuralforecast's takes no other number of heads than 8.", FEW_MODES],
    "PatchTST": [FOLDED],
    "TFT": [FOLDED, "It embeds a variable in d_model numbers, ours and Darts' in 8."],
    "others": ["TSMixerModel and TiDEModel have the hidden size d_model and are else as Darts has them."],
}
"""What a reader must know of each family."""
OPTIMIZERS = (
    "Each steps with the Adam that its users have: fused in ours, as fit has it on a processor, and in transformers', "
    "as its trainer has it; plain in neuralforecast's and Darts'"
)
EQUAL = f"{TARGETS} targets, horizon {HORIZON}, {HEADS} heads."
LAYERS = "d_ff 4 d_model, 2 encoder layers"
MADE_OF = {
    "TFT": "1 recurrent layer.",
    **dict.fromkeys(["PatchTST", "PatchTST, plain", "iTransformer"], f"{LAYERS}."),
}
"""Layers of a family, where they are not those of an encoder and a decoder."""


def note(family: str, what: str) -> str:
    fused = ": 'fused Adam' is a peer with ours." if family in FUSED else "."
    layers = MADE_OF.get(family, f"{LAYERS}, 1 decoder layer.")
    return " ".join(
        [EQUAL, layers, *UNEQUAL.get(family, []), *([OPTIMIZERS + fused] if what == "training step" else [])]
    )


def checks(family: str) -> dict[str, Gate]:
    """Return the gates of our cases."""
    models = (
        {"our PatchTST": "PatchTST", "our iTransformer": "iTransformer"} if family == "others" else {"ours": family}
    )
    return {case: MODELS[model.split(",")[0]] for case, model in models.items()}


def goals(family: str, what: str, step: Callable[..., Step]) -> list[Goal]:
    """Return the goal against each peer and size."""
    return [
        Goal(f"{family}, {what}: ours / {peer} at {', '.join(f'{name} {value}' for name, value in size.items())}",
             ratio("time", "ours", peer, **size), at_most=0.8 if (family, peer, what) in FASTER else 1.0,
             why=WHY.get((family, what), ""), remark=overlap("ours", peer, **size))
        for peer in cases(family, step)
        if peer != "ours" and family != "others"
        for size in SIZES
    ]  # fmt: skip


BENCHMARKS = [
    Speed(
        name=f"{family.lower().replace(', ', '_').replace(' ', '_')}_{name}",
        title=f"{family if family != 'others' else 'Other models'}: {what}",
        cases=cases(family, step),
        sizes=SIZES,
        checks=checks(family),
        repeats=5,
        seconds=600,
        gigabytes=14,
        goals=goals(family, what, step),
        note=note(family, what),
    )
    for family in FAMILIES
    for name, what, step in [("step", "training step", training_step), ("inference", "inference", inference)]
]
