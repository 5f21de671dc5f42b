"""Do the recipes reproduce? A model made of nothing but its ``paper_config``, beside the figure of its paper."""

from functools import partial
from typing import Any

from benchmarks.accuracy.protocol import actual, forecasts, quiet, scores, train
from benchmarks.accuracy.published import TABLES
from benchmarks.core import data
from benchmarks.core.figures import mean_of
from benchmarks.core.goals import Goal
from benchmarks.core.trial import Trials
from darts_tsformers import ITransformerModel

PUBLISHED = TABLES["ETTh1 96"]["iTransformer"]


def trial(seed: int) -> dict[str, Any]:
    """Train by the recipe, and score all test windows."""
    given = data.read("ETTh1")
    config = ITransformerModel.paper_config("ETTh1")
    config["pl_trainer_kwargs"] |= quiet()
    model = ITransformerModel(**config, random_state=seed)
    trained = train(model, given)
    found = scores(forecasts(model, given), actual(given, model.output_chunk_length))
    return {"model": "iTransformer", "seed": seed} | found | trained


BENCHMARKS = [
    Trials(
        name="recipe",
        title="Published recipes, to the letter",
        cases={"iTransformer, ETTh1 96, seed 1": partial(trial, 1)},
        goals=[
            Goal(
                f"Recipe of iTransformer on ETTh1 96 as published ({PUBLISHED.mse:g}), MSE",
                mean_of("iTransformer"),
                at_most=1.02 * PUBLISHED.mse,
            )
        ],
        threads=1,
        seconds=5400,
        note='The model is `ITransformerModel(**ITransformerModel.paper_config("ETTh1"))`, with a seed and a trainer '
        "that says nothing. Errors on the standardised scale, over all test windows.",
    )
]
