"""What TimeCMA tells a language model of each variate, and what that makes of it."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.language import LanguageModel
from darts_tsformers.recording import recording

UNKNOWN = np.iinfo(np.int64).min
"""Stands for a number that was not observed."""
LARGEST = 1e15
MOST_DECIMALS = 9
"""With more, the largest number that a prompt holds would be less than a million."""
TOKENS = 4096
"""Tokens that a frozen language model reads at a time."""


class WindowPrompts(nn.Module):
    """Put the look-back of each variate into words, and return the last hidden state of what reads them.

    The words hold, in the order of the paper, the first and the last step, the values, what the user says of the data
    and the sum of all differences. The numbers are those that the network sees, rounded, and written as whole numbers
    of the last decimal, which takes half the tokens. Each prompt is read as if it were alone, so that what comes of it
    depends on its words only: while nothing of the language model is trained, no prompt that is kept is read twice.

    Parameters
    ----------
    language
        The language model.
    description
        What to say of the data, as ``"One value an hour."``; None for nothing.
    n_decimals
        Decimals that the numbers are rounded to.
    n_kept
        Prompts whose states are kept, the first ones. They are in memory alone, and in no file.

    Raises
    ------
    ValueError
        If an argument breaks its rule, or a prompt is longer than what the language model can read.
    """

    def __init__(self, language: LanguageModel, *, description: str | None, n_decimals: int, n_kept: int) -> None:
        super().__init__()
        require_at_least(0, prompt_decimals=n_decimals, n_kept_prompts=n_kept)
        if n_decimals > MOST_DECIMALS:
            raise ValueError(f"prompt_decimals={n_decimals} must be at most {MOST_DECIMALS}")
        if description is not None and not isinstance(description, str):
            raise ValueError(f"description={description!r} must be a text or None")
        self.language = language
        self.description = description
        self.n_decimals = n_decimals
        self.kept = Kept(n_kept)

    @property
    def is_trained(self) -> bool:
        """Whether anything of the language model is."""
        return any(parameter.requires_grad for parameter in self.language.parameters())

    def text(self, numbers: Int64[np.ndarray, " L"]) -> str:
        """Return the prompt of the rounded values of one variate, in units of the last decimal."""
        observed = numbers[numbers != UNKNOWN]
        change = str(observed[-1] - observed[0]) if len(observed) else "unknown"
        values = ", ".join("unknown" if n == UNKNOWN else str(n) for n in numbers.tolist())
        unit = f", in units of {10**-self.n_decimals:.{self.n_decimals}f}" if self.n_decimals else ""
        about = f" {self.description}" if self.description else ""
        return f"Steps 1 to {len(numbers)} of a series{unit}: {values}.{about} Sum of its changes: {change}"

    def forward(
        self, x: Float[Tensor, "B L N"], missing: Bool[Tensor, "B L N"] | None = None
    ) -> Float[Tensor, "B N E"]:
        """Return what the language model makes of each variate; values that are ``missing`` are unknown to it."""
        if torch.compiler.is_exporting():
            raise ValueError("a prompt is text, which no exported network can write: export one with backbone='none'")
        rows = rounded(x, missing, self.n_decimals)
        by_key = {row.tobytes(): row for row in rows}
        if self.is_trained:
            self.kept.clear()
            found = self._read(by_key)
        else:
            found = self._recalled(x, by_key)
        position = {key: i for i, key in enumerate(by_key)}
        index = torch.tensor([position[row.tobytes()] for row in rows], device=x.device)
        return found.to(x)[index].view(len(x), x.shape[-1], -1)

    def _recalled(self, x: Tensor, by_key: dict[bytes, np.ndarray]) -> Float[Tensor, "n E"]:
        """Return what is kept, and read the rest: in full precision, and as nothing of an explanation."""
        vectors = self.kept.of(self.language.table.dtype)
        unread = {key: row for key, row in by_key.items() if key not in vectors}
        with recording(), without_autocast(x), torch.inference_mode(False), torch.no_grad():
            new = dict(zip(unread, self._read(unread).cpu(), strict=True)) if unread else {}
            found = torch.stack([new[key] if key in new else vectors[key] for key in by_key])
        self.kept.add(new)
        return found

    def _read(self, by_key: dict[bytes, np.ndarray]) -> Float[Tensor, "n E"]:
        """Return the last hidden state of each prompt, those of about one length together."""
        ids = self.language.tokenize([self.text(row) for row in by_key.values()])
        longest, most = max(map(len, ids)), self.language.n_positions
        if most is not None and longest > most:
            raise ValueError(
                f"input_chunk_length={len(next(iter(by_key.values())))} makes a prompt of {longest} tokens, and "
                f"backbone={self.language.name!r} reads {most} at most: look back on fewer steps, "
                f"or take fewer decimals than prompt_decimals={self.n_decimals}"
            )
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        last = [self.last_states([ids[i] for i in chunk]) for chunk in _chunks(order, max(1, TOKENS // longest))]
        return torch.cat(last)[torch.tensor(order).argsort().to(last[0].device)]

    def last_states(self, ids: Sequence[Sequence[int]]) -> Float[Tensor, "n E"]:
        device = self.language.table.device
        lengths = torch.tensor([len(one) for one in ids], device=device)
        padded = torch.zeros(len(ids), int(lengths.max()), dtype=torch.int64)
        for row, one in zip(padded, ids, strict=True):
            row[: len(one)] = torch.tensor(one)
        there = torch.arange(padded.shape[1], device=device) < lengths[:, None]
        states = self.language(self.language.embed(padded.to(device)), None if there.all() else there)
        last: Tensor = states[torch.arange(len(ids), device=device), lengths - 1]
        return last

    def _load_from_state_dict(self, *args: Any) -> None:
        """Forget what other weights have made."""
        self.kept.clear()
        super()._load_from_state_dict(*args)


class Kept:
    """Vectors by what they were made of: the first ones, of one data type. A copy, or what is in a file, is empty.

    Parameters
    ----------
    n
        How many at most.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._vectors: dict[bytes, Tensor] = {}
        self._dtype: torch.dtype | None = None

    def of(self, dtype: torch.dtype) -> dict[bytes, Tensor]:
        """Return the vectors; none if they are of another data type, and forget them."""
        if dtype != self._dtype:
            self.clear()
            self._dtype = dtype
        return self._vectors

    def add(self, new: dict[bytes, Tensor]) -> None:
        """Keep vectors, as many as there is room for: were old ones let go, an epoch would never meet its own."""
        room = max(0, self.n - len(self._vectors))
        self._vectors |= {key: vector.clone() for key, vector in list(new.items())[:room]}

    def clear(self) -> None:
        """Forget all."""
        self._vectors.clear()

    def __len__(self) -> int:
        return len(self._vectors)

    def __reduce__(self) -> tuple[type["Kept"], tuple[int]]:
        return Kept, (self.n,)


def rounded(
    x: Float[Tensor, "B L N"], missing: Bool[Tensor, "B L N"] | None, n_decimals: int
) -> Int64[np.ndarray, "BN L"]:
    """Return the values of each variate of each sample, in units of the last decimal; those not observed as UNKNOWN."""
    values = x.detach().cpu().double().mul(10**n_decimals).round()
    unknown = values.isfinite().logical_not()
    if missing is not None:
        unknown |= missing.cpu()
    numbers = values.masked_fill(unknown, 0).clamp(-LARGEST, LARGEST).long().masked_fill(unknown, UNKNOWN)
    return numbers.mT.flatten(0, 1).contiguous().numpy()


def _chunks(order: Sequence[int], n: int) -> Iterator[Sequence[int]]:
    return (order[start : start + n] for start in range(0, len(order), n))
