"""What a training step of Informer costs: ours, ours with exact attention, and the architecture as published.

    python -m benchmarks.informer --out results.json

One step is forward, mean squared error, backward and Adam, on the same series for all. One thread. The cases of one
length take turns, so that a busy machine slows all of them; the medians of the processor time are reported. A case is
left out beyond its limit. Memory is the largest total of the tensors alive at any time of a step, beyond weights,
moments and the input. The exponent is the slope of the logarithms from 2,048 on.

``Published`` is written from the paper and the published hyper-parameters the way public codes are: one layer for each
of queries, keys and values, sampled keys gathered for each query, softmax over materialised maps, and convolutions that
change the layout there and back.
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.attention import case_prob_sparse_gather, exponent, table
from darts_tsformers.layers.window import Sizes, Window
from darts_tsformers.networks import Informer

BATCH, TARGETS, HORIZON, LABEL, FACTOR = 4, 7, 96, 48, 5
WIDTH, HEADS, WIDTH_FF, DROPOUT = 64, 4, 256, 0.05
BAR_LENGTH = 4096
BARS = {  # at BAR_LENGTH: what of ours may be at most which share of what other case
    ("time", "published, reference way"): 0.5,
    ("memory", "published, reference way"): 0.6,
    ("time", "ours, full attention"): 0.1,
}


class Published(nn.Module):
    def __init__(self, length: int) -> None:
        super().__init__()
        self.embed_past, self.embed_future = (PublishedEmbedding(max(length, LABEL + HORIZON)) for _ in range(2))
        self.encoder = nn.Sequential(
            PublishedEncoderLayer(), PublishedDistilling(), PublishedEncoderLayer(), nn.LayerNorm(WIDTH)
        )
        self.decoder = PublishedDecoderLayer()
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, TARGETS)

    def forward(self, past: Tensor) -> Tensor:
        future = torch.cat([past[:, -LABEL:], past.new_zeros(past.shape[0], HORIZON, TARGETS)], dim=1)
        memory = self.encoder(self.embed_past(past))
        return self.head(self.norm(self.decoder(self.embed_future(future), memory)))[:, -HORIZON:]


class PublishedEmbedding(nn.Module):
    table: Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        angle = torch.arange(length)[:, None] * torch.exp(torch.arange(0, WIDTH, 2) * -(math.log(10000.0) / WIDTH))
        self.register_buffer("table", torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1))
        self.convolution = nn.Conv1d(TARGETS, WIDTH, kernel_size=3, padding=1, padding_mode="circular", bias=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.convolution(x.transpose(1, 2)).transpose(1, 2) + self.table[: x.shape[1]])


class PublishedAttention(nn.Module):
    def __init__(self, mechanism: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.queries, self.keys, self.values, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.mechanism = mechanism

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        projected = self.queries(x), self.keys(memory), self.values(memory)
        q, k, v = (t.view(*t.shape[:2], HEADS, -1).transpose(1, 2) for t in projected)
        return self.out(self.mechanism(q, k, v).transpose(1, 2).reshape(x.shape))


def gathered_causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """``case_prob_sparse_gather`` where lazy rows take sums of the past and selected rows see no later key."""
    b, h, n, e = q.shape
    kept = min(FACTOR * math.ceil(math.log(n)), n)
    sample = torch.randint(n, (n, kept))
    keys = k[:, :, None].expand(b, h, n, n, e)[:, :, torch.arange(n)[:, None], sample]
    scores = (q[:, :, :, None] @ keys.mT)[:, :, :, 0]
    selected = (scores.amax(-1) - scores.sum(-1) / n).topk(kept, sorted=False).indices
    at = torch.arange(b)[:, None, None], torch.arange(h)[:, None], selected
    future = torch.ones(n, n, dtype=torch.bool).triu(1)[selected]
    out = v.cumsum(-2)
    out[at] = (q[at] @ k.mT / math.sqrt(e)).masked_fill(future, -math.inf).softmax(-1) @ v
    return out


class MaterialisedAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.dropout((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)) @ v


class PublishedFeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Conv1d(WIDTH, WIDTH_FF, kernel_size=1)
        self.narrow = nn.Conv1d(WIDTH_FF, WIDTH, kernel_size=1)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.dropout(F.gelu(self.widen(x.transpose(1, 2))))
        return self.dropout(self.narrow(inner).transpose(1, 2))


class PublishedEncoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = PublishedAttention(case_prob_sparse_gather)
        self.feed_forward = PublishedFeedForward()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[0](x + self.dropout(self.attention(x, x)))
        return self.norms[1](x + self.feed_forward(x))


class PublishedDistilling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(WIDTH, WIDTH, kernel_size=3, padding=1, padding_mode="circular")
        self.norm = nn.BatchNorm1d(WIDTH)
        self.pool = nn.MaxPool1d(kernel_size=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(F.elu(self.norm(self.convolution(x.transpose(1, 2))))).transpose(1, 2)


class PublishedDecoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attention = PublishedAttention(gathered_causal)
        self.cross_attention = PublishedAttention(MaterialisedAttention())
        self.feed_forward = PublishedFeedForward()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        x = self.norms[0](x + self.dropout(self.self_attention(x, x)))
        x = self.norms[1](x + self.dropout(self.cross_attention(x, memory)))
        return self.norms[2](x + self.feed_forward(x))


class Ours(nn.Module):
    def __init__(self, length: int, attention: str) -> None:
        super().__init__()
        self.network = Informer(
            Sizes(length, HORIZON, n_targets=TARGETS),
            label_length=LABEL,
            d_model=WIDTH,
            n_heads=HEADS,
            n_encoder_layers=2,
            n_decoder_layers=1,
            d_ff=WIDTH_FF,
            dropout=DROPOUT,
            attention=attention,
        )

    def forward(self, past: Tensor) -> Tensor:
        return self.network(Window(past))[..., 0]


@dataclass(frozen=True)
class Case:
    build: Callable[[int], nn.Module]
    limit: int = 32768


CASES = {
    "ours": Case(lambda length: Ours(length, "prob_sparse")),
    "ours, full attention": Case(lambda length: Ours(length, "full"), 4096),
    "published, reference way": Case(Published, 8192),
}


def training_step(case: Case, length: int) -> Callable[[], None]:
    """Build the network of a case and return what trains it by one step."""
    torch.manual_seed(0)
    network = case.build(length).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    past, future = (torch.randn(BATCH, n, TARGETS) for n in (length, HORIZON))

    def step() -> None:
        F.mse_loss(network(past), future).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    return step


def milliseconds(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats + 1):
        for name, step in steps.items():
            start = time.process_time()
            step()
            seconds[name].append(time.process_time() - start)
    return {name: 1e3 * statistics.median(each[1:]) for name, each in seconds.items()}


def megabytes(step: Callable[[], None]) -> float:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    changes = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = np.cumsum([event.nbytes() for event in sorted(changes, key=lambda event: event.start_ns())])
    return float(held.max()) / 1e6


def against_bars(figures: dict[str, dict[str, dict[int, float]]]) -> list[dict[str, str | float]]:
    """Compare ours with each bar whose cases were measured."""
    lines: list[dict[str, str | float]] = []
    for (what, other), bar in BARS.items():
        ours, theirs = (figures[what].get(name, {}).get(BAR_LENGTH) for name in ("ours", other))
        if ours is not None and theirs is not None:
            lines.append({"what": what, "of": other, "ratio": ours / theirs, "bar": bar})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--lengths", nargs="+", type=int, default=[1024, 2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports its own start and stop otherwise
    times: dict[str, dict[int, float]] = {name: {} for name in arguments.cases}
    memory: dict[str, dict[int, float]] = {name: {} for name in arguments.cases}
    for length in arguments.lengths:
        cases = {name: CASES[name] for name in arguments.cases if length <= CASES[name].limit}
        steps = {name: training_step(case, length) for name, case in cases.items()}
        for name, value in milliseconds(steps, arguments.repeats).items():
            times[name][length] = value
            memory[name][length] = megabytes(steps[name])
    bars = against_bars({"time": times, "memory": memory})
    print(table(times, arguments.lengths, "training step, ms"))
    print(table(memory, arguments.lengths, "peak memory, MB"))
    for line in bars:
        print("{what} at most {bar} of {of}: {ratio:.2f}".format(**line))
    if arguments.out:
        setting = {
            "batch": BATCH, "targets": TARGETS, "horizon": HORIZON, "label_length": LABEL, "factor": FACTOR,
            "d_model": WIDTH, "n_heads": HEADS, "d_ff": WIDTH_FF, "dropout": DROPOUT, "bar_length": BAR_LENGTH,
        }  # fmt: skip
        machine = {"torch": torch.__version__, "python": platform.python_version(), "processor": platform.processor()}
        exponents = {name: {"time": exponent(times[name]), "memory": exponent(memory[name])} for name in times}
        results = {"milliseconds": times, "megabytes": memory, "exponents": exponents, "bars": bars}
        arguments.out.write_text(json.dumps(setting | machine | results, indent=2) + "\n")


if __name__ == "__main__":
    main()
