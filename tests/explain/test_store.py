import gc

import numpy as np
import pytest

from darts_tsformers.explain.store import Folder, Stack

BLOCKS = [np.arange(i, i + n * 6, dtype=np.float32).reshape(n, 2, 3) for i, n in ((0, 2), (50, 3), (90, 1))]


@pytest.mark.parametrize("max_windows", [1, 2, 5, 6])
def test_what_was_put_in_comes_out_in_memory_or_from_disk(max_windows):
    folder = Folder()
    stack = Stack(max_windows, folder)
    for block in BLOCKS:
        stack.add(block)
    whole = stack.array()
    np.testing.assert_array_equal(whole, np.concatenate(BLOCKS))
    assert isinstance(whole, np.memmap) == (max_windows < 6)


def test_no_more_than_the_limit_and_a_block_are_held():
    stack = Stack(3, Folder())
    held = []
    for _ in range(10):
        stack.add(BLOCKS[0])
        held.append(sum(map(len, stack._blocks)))
    assert max(held) <= 3


def test_the_folder_goes_with_the_last_reference_to_it():
    folder = Folder()
    path = folder.new_file()
    path.write_bytes(b"x")
    assert path.exists()
    del folder
    gc.collect()
    assert not path.parent.exists()


def test_a_folder_that_is_not_needed_is_not_made():
    folder = Folder()
    assert folder._path is None
