"""What public code returned, and its gradients, are ours too: one test a file."""

from pathlib import Path

import pytest

from tests.reference.check import check
from tests.reference.files import read
from tests.reference.mapping import discover

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(path for form in ("recurrent", "pretrained") for path in (FOLDER / form).glob("*.npz"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_file_is_met(path):
    met, line = check(path, discover())
    assert met, line


def test_every_mapping_has_a_golden_file():
    assert {read(path).system for path in FILES} == discover().keys()
