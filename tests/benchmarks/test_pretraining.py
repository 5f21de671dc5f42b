"""Few windows are the last ones of the training part."""

import numpy as np
import pandas as pd

from benchmarks.accuracy.pretraining import FEW, HORIZON, LOOKBACK, few
from benchmarks.core.data import DataSet


def test_few_windows_end_with_the_training_part_and_validation_and_test_stay():
    given = DataSet(pd.DataFrame({"a": np.arange(1501)}), train=1001, validation=1201)
    left = few(given)
    needed = LOOKBACK + HORIZON - 1
    assert left.train - needed == round(FEW * (given.train - needed)) == 28
    for end in ("train", "validation"):
        assert left.frame["a"].iloc[getattr(left, end)] == getattr(given, end)
    assert left.frame["a"].iloc[-1] == 1500
