"""Where the time of a training step goes, and how far it is from that of its matrix products alone.

Our models at the sizes of :mod:`benchmarks.speed.peers`. Steps and floors take turns within one process. The floor is
the time of the matrix products of a step, on fresh tensors of the same layouts with nothing between them; those inside
of fused attention and of recurrent layers are made one by one there. The costs are shares of the time between start and
end of a step under PyTorch's profiler, each operation without those it calls; the profiler makes small ones look
larger than they are.
"""

import statistics
from functools import partial
from typing import Any

from benchmarks.core.costs import shares
from benchmarks.core.process import timed
from benchmarks.core.products import all_of, floor
from benchmarks.core.speed import Size
from benchmarks.core.trial import Trials
from benchmarks.speed import peers
from benchmarks.speed.peers import Build, Sizes, Trainable, training_step
from darts_tsformers import LogSparseTransformerModel

SIZE: Size = {"batch": 32, "length": 96, "d_model": 64}


def our_log_sparse(sizes: Sizes) -> Trainable:
    return peers.ours(LogSparseTransformerModel, sizes, mode="direct", d_ff=sizes.d_ff)


MODELS: dict[str, Build] = {
    "PatchTST": peers.our_patchtst,
    "iTransformer": peers.our_itransformer,
    "Informer": peers.our_informer,
    "LogSparse": our_log_sparse,
    "Autoformer": peers.our_autoformer,
    "FEDformer": peers.our_fedformer,
    "TFT": peers.our_tft,
}
WIDE = ["PatchTST", "iTransformer"]


def profile(build: Build, rounds: int = 31, **size: int) -> dict[str, Any]:
    """Return the milliseconds of a step and of its products, and what share of a step each kind of cost takes."""
    step = training_step(build, **{**SIZE, **size})
    step()
    products = all_of(step)
    bare = floor(products)
    bare()
    times = [(timed(step, "cpu")[1], timed(bare, "cpu")[1]) for _ in range(rounds)]
    whole, least = (1e3 * statistics.median(one) for one in zip(*times, strict=True))
    found = shares(step)
    largest = [f"{name} {share:.0%}" for name, share in found.items()][:3]
    named = dict(zip(["largest cost", "second", "third"], largest, strict=True))
    times_taken = {"ms a step": whole, "ms of its products": least, "step / products": whole / least}
    return times_taken | {"products": len(products), **named, "shares": found}


BENCHMARKS = [
    Trials(
        name="profile",
        title="What a training step is spent on",
        cases={name: partial(profile, build) for name, build in MODELS.items()}
        | {f"{name}, d_model 512": partial(profile, MODELS[name], 7, d_model=512) for name in WIDE},
        seconds=300,
        processor_only=True,
        columns=["ms a step", "ms of its products", "step / products", "largest cost", "second", "third"],
        note=(
            f"{', '.join(f'{name} {value}' for name, value in SIZE.items())}, {peers.TARGETS} targets, horizon "
            f"{peers.HORIZON}, if not said otherwise; processor time of one thread. The products, those of attention "
            "among them, are replayed alone, on fresh tensors."
        ),
    )
]
