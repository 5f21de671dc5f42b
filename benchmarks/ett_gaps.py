"""What gaps cost: ETTh1 with a share of its values taken out at random, against the complete file and interpolation.

    python -m benchmarks.ett_gaps ETTh1.csv --model patchtst --out results.json

Protocol of the published tables (``benchmarks/_ett.py``); errors are against the *complete* test values.
"""

import argparse
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks._ett import evaluate, load, trainer
from darts_tsformers import ITransformerModel, PatchTSTModel
from darts_tsformers.models import TSFormerModel

MODELS = {"patchtst": PatchTSTModel, "itransformer": ITransformerModel}


def with_gaps(frame: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def build(name: str, epochs: int, seed: int) -> TSFormerModel:
    config = MODELS[name].paper_config("ETTh1") | {"n_epochs": epochs, "random_state": seed}
    if name == "itransformer":
        config |= {"lr_scheduler_cls": torch.optim.lr_scheduler.ExponentialLR, "lr_scheduler_kwargs": {"gamma": 0.5}}
    return MODELS[name](**config, pl_trainer_kwargs=trainer())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(arguments.threads)
    truth = load(arguments.data)
    holed = with_gaps(truth, arguments.share, arguments.seed)
    variants = {
        "complete": truth,
        "gaps": holed,
        "gaps, interpolated first": holed.interpolate(limit_direction="both"),
    }
    results = {}
    for label, given in variants.items():
        results[label] = evaluate(build(arguments.model, arguments.epochs, arguments.seed), given, truth)
        print(arguments.model, label, results[label], flush=True)
        arguments.out.write_text(json.dumps(vars(arguments) | {"results": results}, default=str, indent=2))


if __name__ == "__main__":
    main()
