"""Series that no model can make anything of are refused, by name."""

import numpy as np
import pytest
from darts import TimeSeries

from darts_tsformers import ITransformerModel
from tests.contracts.cases import TRAINER

GIVEN = ["series", "past_covariates", "future_covariates"]


def model():
    return ITransformerModel(5, 3, d_model=8, n_heads=2, n_epochs=1, pl_trainer_kwargs=TRAINER)


def data(infinite: str = "") -> dict[str, TimeSeries]:
    given = {name: np.sin(np.arange(23.0))[:, None].astype("float32") for name in GIVEN}
    if infinite:
        given[infinite][7] = -np.inf
    return {name: TimeSeries.from_values(values) for name, values in given.items()}


@pytest.mark.parametrize("name", GIVEN)
def test_infinite_values_are_refused_in_training(name):
    with pytest.raises(ValueError, match=f"{name} 0 has infinite values; what was not observed has to be NaN"):
        model().fit(**data(name))


@pytest.mark.parametrize("name", GIVEN)
def test_infinite_values_are_refused_in_forecasting(name):
    fitted = model().fit(**data())
    given = data(name) | {"series": data(name)["series"][:20]}
    with pytest.raises(ValueError, match=f"{name} 0 has infinite values"):
        fitted.predict(3, **given)
    assert np.isfinite(fitted.predict(3, **(data() | {"series": data()["series"][:20]})).values()).all()
