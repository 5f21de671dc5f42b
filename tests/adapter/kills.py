"""Save over an older model and be killed at a random moment, many times: ``python -m tests.adapter.kills``.

Counts what is read afterwards: the older model, the new one, parts of both, or none. The last two must be none.
"""

import argparse
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from darts_tsformers.models import TSFormerModel
from tests.contracts.cases import CASE, H, make_data


def pair_of_models() -> tuple[TSFormerModel, TSFormerModel]:
    """Two models of other weights, series and look-backs."""
    ours, theirs = make_data(2, (), seed=1).series, make_data(2, (), seed=2, length=61).series
    return CASE["ITransformerModel"].model().fit(ours), CASE["PatchTSTModel"].model(17, random_state=3).fit(theirs)


def what_is_there(path: Path, models: tuple[TSFormerModel, TSFormerModel]) -> str:
    """Name the model that is read from a path: ``older``, ``new``, ``mixture`` or ``lost``."""
    try:
        loaded = TSFormerModel.load(path)
        forecast = loaded.predict(H, verbose=False)
    except Exception as error:
        return f"lost: {error!r}"
    for name, model in zip(("older", "new"), models, strict=True):
        is_same = type(loaded) is type(model) and loaded.training_series == model.training_series
        if is_same and np.array_equal(forecast.values(), model.predict(H, verbose=False).values()):
            return name
    return "mixture"


def kill_once(folder: Path, models: tuple[TSFormerModel, TSFormerModel], moment: float) -> str:
    """Let a process save the new model over the older one, and kill it after a time."""
    path = folder / "model.pt"
    models[0].save(path)
    writer = multiprocessing.get_context("fork").Process(target=models[1].save, args=(path,))
    writer.start()
    time.sleep(moment)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    found = what_is_there(path, models)
    left = sorted(os.listdir(folder))
    return found if left == ["model.pt", "model.pt.ckpt"] or found == "older" else f"{found}, with {left}"


def main() -> int:
    """Kill as often as asked for, and say what was there afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rng, models = random.Random(arguments.seed), pair_of_models()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        models[1].save(Path(folder) / "model.pt")
        longest = 2.5 * (time.perf_counter() - begun)
        found = Counter(kill_once(Path(folder), models, rng.uniform(0, longest)) for _ in range(arguments.times))
    print(", ".join(f"{name}: {count}" for name, count in found.most_common()))
    return int(bool(found.keys() - {"older", "new"}))


if __name__ == "__main__":
    sys.exit(main())
