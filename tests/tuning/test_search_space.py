"""What is tried of a model can be built."""

import pytest

from darts_tsformers.adapter.search_space import LEARNING_RATE
from darts_tsformers.catalogue import forecasters
from darts_tsformers.tuning import Options, Range
from darts_tsformers.tuning.candidates import nested

LOOKBACK, SEASON, HORIZON, N_WINDOWS = 24, 7, 5, 1000


@pytest.mark.parametrize("entry", forecasters().values(), ids=forecasters())
def test_the_largest_model_of_the_shortest_look_back_can_be_built(entry):
    model_class = entry.load()
    space = model_class.search_space(LOOKBACK, SEASON, N_WINDOWS)
    lookback = space.pop("input_chunk_length").values[0]
    drawn = {name: one.values[-1] if isinstance(one, Options) else one.high for name, one in space.items()}
    sizes = model_class.starting_sizes(lookback, SEASON, N_WINDOWS)
    model = model_class(lookback, HORIZON, **sizes | nested(drawn))
    assert model.model_params["optimizer_kwargs"]["lr"] == drawn[LEARNING_RATE]


def test_look_backs_are_whole_seasons_where_one_fits():
    space = forecasters()["patchtst"].load().search_space
    assert space(21, 7)["input_chunk_length"].values == (7, 21, 42)
    assert space(10, 7)["input_chunk_length"].values == (5, 10, 20)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Options(()), r"values=\(\) must hold at least one value"),
        (lambda: Range(3, 2), "low=3 must be below high=2"),
        (lambda: Range(0, 2, log=True), "low=0 must be above 0 where log=True"),
    ],
)
def test_a_space_that_holds_nothing_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
