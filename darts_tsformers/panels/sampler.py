"""The order in which windows are trained on: random, and read nearly in the order of the files."""

from collections.abc import Iterator, Sized
from typing import Any

import numpy as np
from torch.utils.data.distributed import DistributedSampler

from darts_tsformers.checks import require_at_least

BLOCK = 2**12
MIXED = 16


class BlockSampler(DistributedSampler[Any]):
    """Draws windows of a data set without replacement, spread evenly over all of it.

    The numbers from 0 to the length of the data set are divided into ``n`` strata of equal width, and an epoch has one
    number of each: all numbers if ``n`` is the length, which is the default. Strata that lie side by side form a block.
    Blocks come in random order, and those of some blocks are mixed: an epoch reads each file about once, though not
    from its beginning to its end. Each process of a training has every R-th number of the same order, and all have the
    same number of them; with R processes up to R - 1 numbers are left out.

    An epoch depends on ``seed`` and its number alone, so that a training can go on from any epoch.

    Parameters
    ----------
    dataset
        What is drawn from.
    n
        Numbers in an epoch, of all processes together; None for all.
    seed
        Another one gives other orders.
    num_replicas, rank
        How many processes train together, and which of them this one is.

    Raises
    ------
    ValueError
        If ``n`` is larger than the data set, or smaller than the number of processes.

    Examples
    --------
    >>> from darts_tsformers.panels.sampler import BlockSampler
    >>> sorted(BlockSampler(range(7)))
    [0, 1, 2, 3, 4, 5, 6]
    >>> [len(list(BlockSampler(range(7), num_replicas=3, rank=rank))) for rank in range(3)]
    [2, 2, 2]
    """

    def __init__(
        self, dataset: Sized, n: int | None = None, *, seed: int = 0, num_replicas: int = 1, rank: int = 0
    ) -> None:
        super().__init__(dataset, num_replicas, rank, seed=seed, drop_last=True)  # type: ignore[arg-type]
        self._n = len(dataset) if n is None else n
        require_at_least(num_replicas, n=self._n)
        if self._n > len(dataset):
            raise ValueError(f"n={n} must be at most {len(dataset)}, the windows that there are")
        self._length = len(dataset)
        self.num_samples = self._n // num_replicas

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        blocks = rng.permutation(-(-self._n // BLOCK))
        width, wider = divmod(self._length, self._n)
        given = 0
        for i in range(0, len(blocks), MIXED):
            mixed = blocks[i : i + MIXED, None] * BLOCK + np.arange(BLOCK)
            strata = rng.permutation(mixed[mixed < self._n])
            first = strata * width + np.minimum(strata, wider)
            numbers = first + rng.integers(0, width + (strata < wider))
            mine = numbers[(self.rank - given) % self.num_replicas :: self.num_replicas]
            here = -(-(given + len(numbers) - self.rank) // self.num_replicas)
            yield from mine[: len(mine) - max(here - self.num_samples, 0)].tolist()
            given += len(numbers)
