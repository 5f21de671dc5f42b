"""Darts' SHAP explainer takes the models as they are, covariates included, and its values add up to the forecast."""

import numpy as np
import pytest

from tests.contracts.cases import CASES, Case
from tests.pipelines.real import read

L, H = 5, 2
SOME = [case for case in CASES if case.name in {"PatchTSTModel", "FEDformerModel", "TemporalFusionTransformerModel"}]
"""Patches, spectra, and recurrence with all covariates: a value costs hundreds of forecasts."""


@pytest.mark.filterwarnings("ignore:The set_:PendingDeprecationWarning")  # shap, of matplotlib
@pytest.mark.parametrize("case", SOME, ids=lambda case: case.name)
def test_shap_values_add_up_to_the_forecast(case: Case):
    from darts.explainability import ShapExplainer

    furnace = read("gasrate_co2")[:60]
    rate, carbon = furnace["GasRate(ft3/min)"], furnace["CO2%"]
    model = case.model(L, H, add_encoders={"position": {"future": ["relative"]}})
    model.fit(carbon, past_covariates=rate)
    explainer = ShapExplainer(
        model, carbon[:30], rate[:30], background_num_samples=11, test_stationarity=False, batch_size=512
    )
    foreground = {"foreground_series": carbon[-L - H - 2 :], "foreground_past_covariates": rate[-L - H - 2 :]}
    result = explainer.explain(**foreground, horizons=[H])
    explained = result.get_explanation(horizon=H)
    assert {name.split("_")[0] for name in explained.components} == {"CO2%", "GasRate(ft3/min)", "darts"}
    given = result.get_shap_explanation_object(horizon=H)
    forecasts = model.historical_forecasts(
        carbon, past_covariates=rate, start=explained.start_time(), forecast_horizon=H, retrain=False, verbose=False,
        last_points_only=False, overlap_end=True,
    )  # fmt: skip
    expected = [forecast.values()[H - 1, 0] for forecast in forecasts[: len(explained)]]
    np.testing.assert_allclose(given.base_values + given.values.sum(axis=1), expected, rtol=1e-3)
    assert np.abs(explained.values()).max() > 1e-4
