"""Accuracy on ETTh1 by the published protocol, at sizes that two cores train in minutes.

    python -m benchmarks.ett_accuracy ETTh1.csv --case "informer 48 -> 24" --out results.json

Without ``--case`` all of them run. A result that is in the file already is kept and not computed again.
"""

import argparse
import json
import logging
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks._ett import evaluate, load, trainer
from darts_tsformers import AutoformerModel, FEDformerModel, InformerModel, LogSparseTransformerModel
from darts_tsformers.models import TSFormerModel

HALVED = {"lr_scheduler_cls": torch.optim.lr_scheduler.ExponentialLR, "lr_scheduler_kwargs": {"gamma": 0.5}}
CLOCK = {"add_encoders": {"cyclic": {"future": ["hour", "dayofweek"]}}}
SHARED: dict[str, Any] = {"batch_size": 32, "n_epochs": 8, "optimizer_kwargs": {"lr": 1e-3}} | HALVED | CLOCK

SLOWLY: dict[str, Any] = SHARED | {"optimizer_kwargs": {"lr": 3e-4}}

CASES: dict[str, Callable[..., TSFormerModel]] = {
    "informer 48 -> 24": partial(InformerModel, 48, 24, label_length=48, d_model=64, d_ff=256, **SHARED),
    "informer 48 -> 24, full attention": partial(
        InformerModel, 48, 24, label_length=48, d_model=64, d_ff=256, attention="full", **SHARED
    ),
    "log_sparse direct 96 -> 96": partial(LogSparseTransformerModel, 96, 96, mode="direct", **SHARED),
    "log_sparse 96 -> 96": partial(LogSparseTransformerModel, 96, 96, **SHARED),
    "autoformer 96 -> 96": partial(AutoformerModel, 96, 96, attention=("auto_correlation", {"factor": 3}), **SLOWLY),
    "fedformer 96 -> 96": partial(FEDformerModel, 96, 96, **SLOWLY),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(arguments.threads)
    truth = load(arguments.data)
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in arguments.case:
        label = f"{name}, seed {arguments.seed}"
        if label in results:
            continue
        model = CASES[name](random_state=arguments.seed, pl_trainer_kwargs=trainer())
        results[label] = evaluate(model, truth, truth)
        print(label, results[label], flush=True)
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
