import numpy as np
import pytest

from darts_tsformers.checks import require_at_least, require_not_negative, require_probability
from tests.helpers import exactly


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [2, -1, 3.0, True, "3", None, np.int64(2), np.float64(3), np.bool_(True)], ids=repr)
def test_a_value_that_is_no_integer_or_too_small_is_refused(value):
    with pytest.raises(ValueError, match=exactly(f"d_ff={value!r} must be an integer of at least 3")):
        require_at_least(3, d_model=7, d_ff=value)


def test_values_at_the_bound_or_above_pass():
    require_at_least(0, output_shift=0)
    require_at_least(3, d_model=3, d_ff=11)
    require_at_least(3, d_model=np.int64(3), d_ff=np.uint8(11))


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, float("nan")])
def test_a_value_outside_of_the_unit_interval_is_refused(value):
    with pytest.raises(ValueError, match=exactly(f"dropout={value!r} must be in [0, 1)")):
        require_probability(head_dropout=0.5, dropout=value)


def test_probabilities_pass():
    require_probability(dropout=0.0, head_dropout=0.99)
    require_probability(dropout=np.float32(0.5), head_dropout=np.int64(0))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan"), True, "1", None], ids=repr)
def test_a_value_that_is_no_size_is_refused(value):
    with pytest.raises(ValueError, match=exactly(f"weight={value!r} must be a finite number of at least 0")):
        require_not_negative(share=0.5, weight=value)


def test_sizes_pass():
    require_not_negative(weight=0, share=np.float32(1.5))
