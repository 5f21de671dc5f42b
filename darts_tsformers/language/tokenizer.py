"""From texts to numbers and back: the tokeniser of a language model, or bytes for one that has none."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

N_BYTES = 256
END = N_BYTES
"""What a text of bytes ends, and is padded, with."""


class Tokenizer(Protocol):
    """What a language model needs of a tokeniser."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text."""

    def words(self, ids: Iterable[int]) -> list[str]:
        """Return the text of each number."""


class Bytes:
    """The bytes of UTF-8.

    Examples
    --------
    >>> from darts_tsformers.language.tokenizer import Bytes
    >>> Bytes().encode(["1.5"]), Bytes().words([49, 200, 256])
    ([[49, 46, 53]], ['1', '<200>', '<end>'])
    """

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the bytes of each text."""
        return [list(text.encode()) for text in texts]

    def words(self, ids: Iterable[int]) -> list[str]:
        """Return the characters of ASCII, and others by their number."""
        return ["<end>" if i == END else chr(i) if chr(i).isascii() else f"<{i}>" for i in ids]


class Published:
    """A tokeniser that was published with a model.

    Parameters
    ----------
    tokenizer
        One of ``transformers``.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text, with the marks that the model expects around it."""
        found: list[list[int]] = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return found

    def words(self, ids: Iterable[int]) -> list[str]:
        """Return the text of each number."""
        return [self.tokenizer.decode([i]) for i in ids]


class Remembering:
    """A tokeniser that is asked once for each distinct text.

    Parameters
    ----------
    tokenizer
        The tokeniser.
    n_texts
        Texts that are remembered, the last ones.
    """

    def __init__(self, tokenizer: Tokenizer, n_texts: int = 4096) -> None:
        self.tokenizer = tokenizer
        self.n_texts = n_texts
        self._known: dict[str, list[int]] = {}

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= zip(new, self.tokenizer.encode(new), strict=True)
        found = [list(self._known[text]) for text in texts]
        for text in list(self._known)[: -self.n_texts]:
            del self._known[text]
        return found

    def words(self, ids: Iterable[int]) -> list[str]:
        """Return the text of each number."""
        return self.tokenizer.words(ids)
