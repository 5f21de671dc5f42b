"""From texts to numbers and back."""

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from darts_tsformers.language import language_model
from darts_tsformers.language.tokenizer import Bytes, Remembering
from tests.language.languages import ARCHITECTURES, saved, untrained


class Counting(Bytes):
    """Bytes that keep what they were asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts):
        self.asked.append(list(texts))
        return super().encode(texts)


def test_bytes_come_back():
    texts = ["The mean is -1.5.", "", "grün"]
    assert [bytes(ids).decode() for ids in Bytes().encode(texts)] == texts
    assert "".join(Bytes().words(Bytes().encode(texts)[0])) == texts[0]
    assert Bytes().words([0xC3, 256]) == ["<195>", "<end>"]


def test_each_distinct_text_is_taken_apart_once():
    counting = Counting()
    tokenizer = Remembering(counting)
    assert tokenizer.encode(["a", "b", "a"]) == [[97], [98], [97]]
    tokenizer.encode(["b", "c"])[0].append(0)  # what was given out does not change what is remembered
    assert tokenizer.encode(["b", "a"]) == [[98], [97]]
    assert counting.asked == [["a", "b"], ["c"]]


def test_the_last_texts_are_remembered():
    counting = Counting()
    tokenizer = Remembering(counting, n_texts=2)
    assert tokenizer.encode(["a", "b", "c"]) == [[97], [98], [99]]
    assert tokenizer.encode(["b", "a"]) == [[98], [97]]
    assert counting.asked == [["a", "b", "c"], ["a"]]


def test_a_folder_brings_its_own(tmp_path):
    folder = saved(tmp_path)
    words = Tokenizer(WordLevel({"<unk>": 0, "up": 1, "down": 2, "and": 3}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>").save_pretrained(folder)
    model = language_model(folder)
    assert model.tokenize(["up and down", "down sideways"]) == [[1, 3, 2], [2, 0]]
    assert model.words([2, 3]) == ["down", "and"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_without_one_reads_no_text(architecture, tmp_path):
    model = language_model(saved(tmp_path, architecture))
    with pytest.raises(ValueError, match="must hold a tokeniser to read text"):
        model.tokenize(["up"])


def test_an_untrained_one_reads_bytes():
    model = untrained()
    assert model.tokenize(["up"]) == [[117, 112]]
    assert model.table.shape == (257, 6)
