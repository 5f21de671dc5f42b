"""What a training step of the Temporal Fusion Transformer costs, against that of Darts' TFTModel.

A step is forward, quantile loss, backward and Adam, at hidden size 160 with 4 heads, 7 targets, 3 past, 3 future and 2
static covariates and a horizon of 24. Darts' model has a size of its own for single variables, which is 8 by default;
with 160 it is the paper's. So both models run with both, as equals.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from darts import TimeSeries
from darts.models import TFTModel
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput
from darts.utils.likelihood_models.torch import QuantileRegression
from torch import Tensor, nn

from benchmarks.core.figures import ratio
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.speed import Speed, Step
from benchmarks.core.tables import number
from benchmarks.speed._darts import quiet, trained_briefly
from benchmarks.speed._gates import MODELS, by_model, each, same
from benchmarks.speed._steps import placed, products_alone, train
from darts_tsformers import TemporalFusionTransformerModel
from darts_tsformers.layers.recomputing import let_recompute
from darts_tsformers.models import TSFormerModel
from darts_tsformers.networks import TemporalFusionTransformer
from darts_tsformers.window import Sizes, Window

HORIZON, HIDDEN, HEADS, DROPOUT = 24, 160, 4, 0.1
TARGETS, PAST, FUTURE, STATIC = 7, 3, 3, 2
QUANTILES = [0.1, 0.5, 0.9]
Model = TFTModel | TSFormerModel


def shared() -> dict[str, Any]:
    return {"dropout": DROPOUT, "likelihood": QuantileRegression(QUANTILES), **trained_briefly()}


def theirs(length: int, width: int) -> Model:
    return TFTModel(
        length,
        HORIZON,
        hidden_size=HIDDEN,
        num_attention_heads=HEADS,
        hidden_continuous_size=width,
        **shared(),
    )


def ours(length: int, width: int, *, recompute: bool = False) -> Model:
    return TemporalFusionTransformerModel(
        length, HORIZON, d_model=HIDDEN, n_heads=HEADS, d_variable=width, recompute=recompute, **shared()
    )


def built(build: Callable[[int, int], Model], length: int, width: int) -> nn.Module:
    """Have Darts build the module, with a single window."""
    model = build(length, width)
    rng = np.random.default_rng(0)
    n = length + HORIZON

    def series(components: int) -> TimeSeries:
        return TimeSeries.from_values(rng.normal(size=(n, components)).astype(np.float32))

    static = pd.DataFrame(rng.normal(size=(1, STATIC)).astype(np.float32), columns=["a", "b"])
    target = series(TARGETS).with_static_covariates(static)
    model.fit(target, past_covariates=series(PAST), future_covariates=series(FUTURE), verbose=False)
    return model.model


def window(batch: int, length: int) -> PLModuleInput:
    return PLModuleInput(
        past_target=torch.randn(batch, length, TARGETS),
        past_covariates=torch.randn(batch, length, PAST),
        historic_future_covariates=torch.randn(batch, length, FUTURE),
        future_covariates=torch.randn(batch, HORIZON, FUTURE),
        static_covariates=torch.randn(batch, 1, STATIC),
        future_target=torch.randn(batch, HORIZON, TARGETS),
        stage=ModuleStage.TRAIN,
    )


def training_step(build: Callable[[int, int], Model], *, batch: int, length: int, width: int) -> Step:
    quiet()
    module, given = placed(built, build, length, width).train(), window(batch, length)
    likelihood = QuantileRegression(QUANTILES)  # the module's own stays on the device that it was built on

    def loss() -> Tensor:
        return likelihood.compute_loss(module(given).prediction, given.future_target, None)

    return train(loss, torch.optim.Adam(module.parameters(), lr=1e-3))


def check_recompute() -> None:
    """Compare a network that computes again for the backward pass with one that does not."""
    sizes = Sizes(12, 5, n_targets=2, n_past=1, n_future=1, n_static=1)
    networks = [TemporalFusionTransformer(sizes, d_model=8, dropout=0.0) for _ in range(2)]
    let_recompute(networks[1], True)
    networks[1].load_state_dict(networks[0].state_dict())
    past = torch.randn(3, 12, 2).requires_grad_()
    given = [torch.randn(3, *shape) for shape in [(12, 1), (12, 1), (5, 1), (1, 1)]]
    same(*(network(Window(past, *given)) for network in networks), [past])


CASES = {
    "Darts": partial(training_step, theirs),
    "TFT": partial(training_step, ours),
    "TFT, recompute": partial(training_step, partial(ours, recompute=True)),
    "TFT, its matrix products": partial(products_alone, partial(training_step, ours)),
}


def products_of_ours(figures: Figures, *, length: int, width: int) -> str:
    """Say what our matrix products alone take of Darts' time."""
    part = ratio("time", "TFT, its matrix products", "Darts", length=length, width=width)(figures)
    alone = "" if part is None else f"; our matrix products alone take {number(part, 2)} of its time"
    return f"Darts' attention has the rows of the horizon alone as well, so there is little that ours saves{alone}"


BENCHMARKS = [
    Speed(
        name="tft",
        title="Temporal Fusion Transformer beside Darts': training step",
        cases=CASES,
        sizes=[
            {"batch": batch, "length": length, "width": width}
            for batch, length in [(32, 168), (4, 2048)]
            for width in (8, 160)
        ],
        checks={
            **by_model(["TFT", "TFT, its matrix products"]),
            "TFT, recompute": partial(each, MODELS["TFT"], check_recompute),
        },
        goals=[
            Goal(f"TFT / Darts, time at {length}, variables of width {width}",
                 ratio("time", "TFT", "Darts", length=length, width=width), at_most=bound,
                 why=partial(products_of_ours, length=length, width=width))
            for length, bound in [(168, 0.7), (2048, 0.35)]
            for width in (8, 160)
        ] + [
            Goal(f"TFT, recompute / Darts, memory at 2,048, variables of width {width}",
                 ratio("memory", "TFT, recompute", "Darts", length=2048, width=width), at_most=0.25)
            for width in (8, 160)
        ],
        note=f"Hidden size {HIDDEN}, {HEADS} heads, horizon {HORIZON}, {TARGETS} targets, {PAST} past, {FUTURE} future "
        f"and {STATIC} static covariates, {len(QUANTILES)} quantiles. All step with "
        "plain Adam, where fit has a fused one for ours.",
    )
]  # fmt: skip
