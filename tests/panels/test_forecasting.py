import numpy as np
import pandas as pd
import pytest
import torch
from darts.models import TFTModel, TiDEModel
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression

from darts_tsformers import PatchTSTModel
from darts_tsformers.adapter.files.whole_files import whole_file
from darts_tsformers.panels import Panel, backtest_panel, fit_panel, forecast_panel
from tests.panels.tables import NAMED, untidy

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
SIZES = {"input_chunk_length": 11, "output_chunk_length": 3, "n_epochs": 1, "batch_size": 13, "random_state": 0}
TIDE = {"hidden_size": 5, "num_encoder_layers": 1, "num_decoder_layers": 1, "decoder_output_dim": 3}
TIDE |= {"temporal_decoder_hidden": 5, "temporal_width_past": 2, "temporal_width_future": 2}


def patchtst(**changes):
    sizes = SIZES | {"min_input_chunk_length": 7} | PatchTSTModel.tiny | changes
    return PatchTSTModel(**sizes, pl_trainer_kwargs=QUIET)


def tide(**changes):
    return TiDEModel(**SIZES | TIDE | changes, pl_trainer_kwargs=QUIET, use_reversible_instance_norm=True)


@pytest.fixture(scope="module")
def panel():
    return Panel.from_pandas(
        untidy(7, seed=11, least=14).fillna({"units": 3.0, "price": 1.0, "visits": 0.0}).pipe(future), **NAMED
    )


@pytest.fixture(scope="module")
def point(panel):
    return fit_panel(patchtst(), panel)


@pytest.fixture(scope="module")
def bell(panel):
    return fit_panel(patchtst(likelihood=GaussianLikelihood()), panel)


@pytest.fixture(scope="module")
def levels(panel):
    return fit_panel(patchtst(likelihood=QuantileRegression([0.1, 0.3, 0.5, 0.7, 0.9])), panel)


def future(table):
    """Take the last five rows of each series as the future again."""
    table = table.sort_values(["shop", "day"]).reset_index(drop=True)
    late = table.groupby("shop").cumcount(ascending=False) < 5
    table.loc[late, ["units", "price"]] = np.nan
    return table.sample(frac=1, random_state=0)


def predicted(model, panel, n, **how):
    """Return what Darts' own path gives, in long format: ``(S * n * C, samples)``."""
    several = [panel[shop] for shop in panel.ids.to_pylist()]
    return model.predict(
        n,
        series=[one.target for one in several],
        past_covariates=[one.past for one in several] if model.uses_past_covariates else None,
        future_covariates=[one.future for one in several] if model.uses_future_covariates else None,
        verbose=False,
        **how,
    )


MODELS = {
    "patchtst": patchtst,
    "tide": tide,
    "tft": lambda: TFTModel(**SIZES, hidden_size=4, lstm_layers=1, num_attention_heads=1, likelihood=None,
                            loss_fn=torch.nn.MSELoss(), pl_trainer_kwargs=QUIET, use_reversible_instance_norm=True),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_forecasts_are_those_of_predict(name, panel, tmp_path):
    model = fit_panel(MODELS[name](), panel, windows_per_epoch=29)
    n = 5 if name == "patchtst" else 3
    forecast_panel(model, panel, n, out=tmp_path, series_per_file=3)
    table = pd.read_parquet(tmp_path)
    expected = predicted(model, panel, n)
    values = np.stack([one.values() for one in expected])
    np.testing.assert_allclose(table["forecast"].to_numpy().reshape(values.shape), values, rtol=1e-6, atol=1e-6)
    assert table["shop"].tolist() == np.repeat(panel.ids.to_pylist(), n * 2).tolist()
    assert table["component"].tolist() == ["units", "price"] * (n * 7)
    stamps = np.concatenate([np.repeat(one.time_index.to_numpy(), 2) for one in expected])
    np.testing.assert_array_equal(table["day"].to_numpy(), stamps)
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == [f"part-{i:05d}.parquet" for i in range(3)]


def test_quantiles_that_were_trained_on_are_read_off(panel, levels, tmp_path):
    forecast_panel(levels, panel, 2, out=tmp_path / "some", quantiles=[0.1, 0.7])
    table = pd.read_parquet(tmp_path / "some")
    expected = predicted(levels, panel, 2, predict_likelihood_parameters=True)
    values = np.stack([one.values().reshape(2, 2, 5)[..., [0, 3]] for one in expected])
    np.testing.assert_allclose(table["forecast"].to_numpy().reshape(values.shape), values, rtol=1e-6, atol=1e-6)
    assert table["quantile"].tolist()[:5] == [0.1, 0.7, 0.1, 0.7, 0.1]


def test_samples_and_their_quantiles_do_not_depend_on_where_work_was_stopped(panel, bell, tmp_path):
    how = {"num_samples": 17, "series_per_file": 3}
    forecast_panel(bell, panel, 2, out=tmp_path / "samples", **how)
    samples = pd.read_parquet(tmp_path / "samples")
    assert samples["sample"].max() == 16
    (tmp_path / "samples" / "part-00001.parquet").unlink()
    forecast_panel(bell, panel, 2, out=tmp_path / "samples", **how)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "samples"), samples)
    forecast_panel(bell, panel, 2, out=tmp_path / "quantiles", quantiles=[0.2, 0.5], **how)
    quantiles = pd.read_parquet(tmp_path / "quantiles")
    drawn = samples["forecast"].to_numpy().reshape(-1, 17)
    expected = np.quantile(drawn, [0.2, 0.5], axis=1).T.ravel()
    np.testing.assert_allclose(quantiles["forecast"], expected, rtol=1e-5)


def test_finished_files_are_not_made_again(panel, point, tmp_path, monkeypatch):
    forecast_panel(point, panel, 3, out=tmp_path / "whole", series_per_file=2)
    made = []

    def killed(path):
        made.append(path.name)
        if len(made) == 3:
            raise KeyboardInterrupt
        return whole_file(path)

    monkeypatch.setattr("darts_tsformers.panels.forecasting.whole_file", killed)
    with pytest.raises(KeyboardInterrupt):
        forecast_panel(point, panel, 3, out=tmp_path / "killed", series_per_file=2)
    forecast_panel(point, panel, 3, out=tmp_path / "killed", series_per_file=2)
    assert made == [f"part-{i:05d}.parquet" for i in (0, 1, 2, 2, 3)]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "killed"), pd.read_parquet(tmp_path / "whole"))
    with pytest.raises(ValueError, match=r"holds the result of another run \(n=3, now 2\)"):
        forecast_panel(point, panel, 2, out=tmp_path / "killed", series_per_file=2)


@pytest.mark.parametrize(
    ("name", "how", "rule"),
    [
        ("point", {"n": 0}, "n=0 must be an integer of at least 1"),
        ("point", {"num_samples": 3}, "has no likelihood to draw quantiles or samples from"),
        ("point", {"quantiles": [0.9, 0.1]}, r"quantiles=\[0.9, 0.1\] must be one or more numbers between 0 and 1"),
        ("bell", {}, "the model forecasts a distribution: ask for quantiles"),
    ],
)
def test_what_is_not_asked_well(name, how, rule, panel, tmp_path, request):
    with pytest.raises(ValueError, match=rule):
        forecast_panel(request.getfixturevalue(name), panel, **{"n": 2} | how, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_not_fitted_and_a_folder_that_is_in_use(panel, point, tmp_path):
    with pytest.raises(ValueError, match=r"model=PatchTSTModel\(...\) must be fitted first"):
        forecast_panel(patchtst(), panel, 2, out=tmp_path)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match="has other files in it"):
        forecast_panel(point, panel, 2, out=tmp_path)


def test_short_series_are_an_error_or_left_out(tmp_path):
    table = pd.DataFrame({"id": [1] * 13 + [2] * 5 + [3] * 17, "t": [*range(13), *range(5), *range(17)], "y": 1.0})
    panel = Panel.from_pandas(table, id="id", time="t", target="y")
    model = fit_panel(tide(), panel)
    with pytest.raises(ValueError, match="series 2 has fewer than the 11 steps that a forecast needs"):
        forecast_panel(model, panel, 3, out=tmp_path / "all")
    forecast_panel(model, panel, 3, out=tmp_path / "some", skip_short=True, series_per_file=1)
    found = pd.read_parquet(tmp_path / "some")
    assert found["id"].tolist() == [1] * 3 + [3] * 3
    assert found["t"].tolist() == [13, 14, 15, 17, 18, 19]


def test_backtests_are_historical_forecasts(panel, point, tmp_path):
    scores = backtest_panel(point, panel, 3, out=tmp_path, windows=2, stride=1, series_per_file=3)
    table = pd.read_parquet(tmp_path)
    for shop in panel.ids.to_pylist():
        one = panel[shop]
        expected = point.historical_forecasts(
            one.target, one.past, one.future, start=-4, start_format="position", forecast_horizon=3, retrain=False,
            last_points_only=False, verbose=False,
        )  # fmt: skip
        for window, forecast in enumerate(reversed(expected), start=1):
            rows = table[(table["shop"] == shop) & (table["window"] == window)]
            found = rows["forecast"].to_numpy().reshape(3, 2)
            np.testing.assert_allclose(found, forecast.values(), rtol=1e-6, atol=1e-6)
            assert rows["day"].iloc[0] == forecast.start_time()
            actual = one.target.slice_intersect(forecast).values()
            np.testing.assert_array_equal(rows["actual"].to_numpy().reshape(3, 2), actual)
    errors = (table["actual"] - table["forecast"]).groupby([table["window"], table["component"]])
    expected = pd.DataFrame({"steps": errors.count(), "mae": errors.agg(lambda e: e.abs().mean())}).reset_index()
    found = scores[["window", "component", "steps", "mae"]]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)


def test_backtest_of_quantiles_has_their_loss(panel, levels, tmp_path):
    scores = backtest_panel(levels, panel, 2, out=tmp_path, quantiles=[0.1, 0.5, 0.9])
    assert len(scores) == 6
    median = scores[scores["quantile"] == 0.5]
    np.testing.assert_allclose(median["pinball"] * 2, median["mae"], rtol=1e-6)
