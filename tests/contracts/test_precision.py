"""float64 data, bfloat16 weights, mixed precision."""

import numpy as np
import pytest
import torch

from tests.contracts.cases import MAIN, SHARED, Case, H, every_model, fitted, make_data


@every_model
def test_float64_data_give_a_float64_model(case: Case):
    data = make_data(dtype="float64")
    model = case.model().fit(data.series, **data.covariates())
    assert {p.dtype for p in model.model.parameters()} == {torch.float64}
    assert model.predict(H, **data.covariates()).dtype == np.float64


@pytest.mark.parametrize(
    ("case", "precision"),
    [(case, "bf16-true") for case in MAIN] + [(case, "bf16-mixed") for case in SHARED],
    ids=lambda one: one if isinstance(one, str) else one.name,
)
def test_bfloat16(case: Case, precision, tmp_path):
    data = make_data()
    model = case.model(pl_trainer_kwargs={"precision": precision}).fit(data.series, **data.covariates())
    weights = {p.dtype for p in model.model.parameters()}
    assert weights == {torch.bfloat16 if precision == "bf16-true" else torch.float32}
    forecast = model.predict(H + 2, **data.covariates())
    assert np.isfinite(forecast.values()).all()
    reference = fitted(case).predict(H + 2, **data.covariates())
    np.testing.assert_allclose(forecast.values(), reference.values(), atol=0.3)
    model.save(str(tmp_path / "saved.pt"))
    loaded = case.model_class.load(str(tmp_path / "saved.pt"))
    np.testing.assert_allclose(
        loaded.predict(H + 2, data.series, **data.covariates()).values(), forecast.values(), atol=0.05
    )
