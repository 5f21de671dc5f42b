"""What a forecast rests on: exactly, where it can be worked out, and as planted, where it was learned."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from darts.metrics import mae
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression
from torch import nn

from darts_tsformers import ITransformerModel, PatchTSTModel, TemporalFusionTransformerModel
from darts_tsformers.explain import Reliance, reliance
from darts_tsformers.explain.exchange import PARTS, random_partners
from darts_tsformers.models import TSFormerModel
from darts_tsformers.networks import Network
from tests.contracts.cases import CASE, TRAINER, Case, H, L, fitted, make_data, sample_of_models
from tests.helpers import draw, exactly


class WeighingNetwork(Network, name="weighing"):
    """A sum over all that there is to see, each value with a weight of its own."""

    reads = frozenset({"past", "future", "static"})
    in_data_units = True

    def __init__(self, sizes):
        super().__init__(sizes)
        lengths = {
            "target": sizes.input_length * sizes.n_targets,
            "past": sizes.input_length * sizes.n_past,
            "historic_future": sizes.input_length * sizes.n_future,
            "future": sizes.output_length * sizes.n_future,
            "static": sizes.n_static * sizes.n_static_rows,
        }
        self.lengths = {name: n for name, n in lengths.items() if n}
        self.map = nn.Linear(sum(lengths.values()), sizes.output_length * sizes.n_targets, bias=False)

    def forward(self, window):
        seen = torch.cat([getattr(window, name).flatten(1) for name in self.lengths], dim=1)
        return self.map(seen).unflatten(-1, (self.sizes.output_length, -1, 1))

    def weights(self):
        """Return the weights of each kind, ``(H, C, steps, variables)``."""
        out = self.map.weight.unflatten(0, (self.sizes.output_length, -1))
        parts = dict(zip(self.lengths, out.split(list(self.lengths.values()), dim=-1), strict=True))
        n_steps = {"future": self.sizes.output_length, "static": self.sizes.n_static_rows}
        return {
            name: part.unflatten(-1, (n_steps.get(name, self.sizes.input_length), -1)) for name, part in parts.items()
        }


class WeighingModel(TSFormerModel):
    """Forecasts by a sum."""

    network_class = WeighingNetwork

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        use_instance_norm: bool = False,
        use_static_covariates: bool = True,
        **kwargs,
    ):
        super().__init__()


LOOKBACK, HORIZON = 5, 3
COLUMNS = {"past_covariates": ["p0", "p1"], "future_covariates": ["f0", "f1"]}


def walk(n: int, columns: list[str], seed: int) -> TimeSeries:
    values = draw(n, len(columns), seed=seed, dtype=torch.float64).numpy().cumsum(axis=0)
    return TimeSeries(pd.date_range("2003-02-03", periods=n), values, components=columns)


def two_series() -> dict[str, list[TimeSeries]]:
    """Return two series of two components, with what goes with them."""
    given = {
        "series": [
            walk(n, ["y0", "y1"], seed=n).with_static_covariates(pd.DataFrame({"s0": [size], "s1": [2.0]}))
            for n, size in ((17, 3.0), (13, -1.0))
        ]
    }
    return given | {
        name: [walk(n + 7, columns, seed=n + i) for n in (17, 13)]
        for i, (name, columns) in enumerate(COLUMNS.items(), 1)
    }


def weighing_model(given: dict[str, list[TimeSeries]], **arguments) -> WeighingModel:
    """Fit for form's sake, and draw the weights."""
    model = WeighingModel(LOOKBACK, HORIZON, n_epochs=1, random_state=0, pl_trainer_kwargs=TRAINER, **arguments)
    model.fit(**given)
    weight = model.model.forecaster.network.map.weight
    with torch.no_grad():
        weight.copy_(draw(*weight.shape, seed=5, dtype=weight.dtype) / 4)
    return model


def inputs_of(given: dict[str, list[TimeSeries]], series: int, end: int, shift: int) -> dict[str, np.ndarray]:
    """Cut one window out by hand; all series begin on the same day."""
    one = {name: several[series].values() for name, several in given.items()}
    look_back, horizon = slice(end - LOOKBACK, end), slice(end + shift, end + shift + HORIZON)
    return {
        "target": one["series"][look_back],
        "past": one["past_covariates"][look_back],
        "historic_future": one["future_covariates"][look_back],
        "future": one["future_covariates"][horizon],
        "static": given["series"][series].static_covariates_values(),
    }


def naive(
    model: WeighingModel, given, measured: Reliance, fields: list[str], column: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean absolute change and error when a column is exchanged, by loops over all that there is."""
    shift = model.output_chunk_shift
    weights = {name: w.detach().numpy() for name, w in model.model.forecaster.network.weights().items()}
    series = measured.data["series"].to_numpy()
    ends = [
        given["series"][s].time_index.get_loc(pd.Timestamp(t)) + 1
        for s, t in zip(series, measured.data["last_seen"].to_numpy(), strict=True)
    ]
    windows = [inputs_of(given, s, end, shift) for s, end in zip(series, ends, strict=True)]

    def forecast(window: dict[str, np.ndarray], h: int, c: int) -> float:
        total = 0.0
        for name, values in window.items():
            for step in range(values.shape[0]):
                for variable in range(values.shape[1]):
                    total += weights[name][h, c, step, variable] * values[step, variable]
        return total

    changes, errors = [], []
    for c in range(2):
        moved, missed = [], []
        for i, partner in enumerate(measured.data["partner"].to_numpy()):
            mixed = {name: values.copy() for name, values in windows[i].items()}
            for field in fields:
                mixed[field][:, column] = windows[partner][field][:, column]
            came = given["series"][series[i]].values()
            for h in range(HORIZON):
                moved.append(abs(forecast(mixed, h, c) - forecast(windows[i], h, c)))
                if ends[i] + shift + h < len(came):
                    missed.append(abs(forecast(mixed, h, c) - came[ends[i] + shift + h, c]))
        changes.append(np.mean(moved))
        errors.append(np.mean(missed))
    return np.array(changes), np.array(errors)


@pytest.mark.parametrize("shift", [0, 2])
def test_a_sum_rests_on_what_it_weighs(shift):
    given = two_series()
    model = weighing_model(given, output_chunk_shift=shift)
    measured = reliance(model, **given, stride=2, batch_size=3)
    assert measured.data.sizes["window"] == 12
    fields = {
        "target": {"whole": ["target"], "past": ["target"]},
        "past": {"whole": ["past"], "past": ["past"]},
        "future": {"whole": ["historic_future", "future"], "past": ["historic_future"], "horizon": ["future"]},
        "static": {"whole": ["static"]},
    }
    names = {"target": ["y0", "y1"], "past": ["p0", "p1"], "future": ["f0", "f1"], "static": ["s0", "s1"]}
    found = iter(range(8))
    for kind, several in names.items():
        for column, name in enumerate(several):
            one = measured.data.isel(variable=next(found))
            assert (one["variable"].item(), one["kind"].item()) == (name, kind)
            for part in PARTS:
                at = one.sel(part=part)
                if part not in fields[kind] or name == "s1":  # the same for both series
                    assert at["change"].isnull().all()
                    assert at["error"].isnull().all()
                    continue
                change, error = naive(model, given, measured, fields[kind][part], column)
                np.testing.assert_allclose(at["change"], change, rtol=1e-6, atol=1e-12)
                np.testing.assert_allclose(at["error"], error, rtol=1e-6)
    np.testing.assert_allclose(measured.data["base_error"], naive(model, given, measured, [], 0)[1], rtol=1e-6)
    s1 = measured.data.isel(variable=7).sel(part="whole")  # the same in both series
    assert s1["change"].isnull().all()
    assert s1["is_part"]
    assert "Alike in all windows, so that nothing can be told of it: s1." in str(measured)


def test_what_is_not_used_has_no_effect_at_all():
    given = two_series()
    model = weighing_model(given)
    weights = model.model.forecaster.network.weights()
    with torch.no_grad():
        for name in ("historic_future", "future"):
            weights[name][..., 1] = 0
        weights["target"][:, 0, :, 1] = 0  # of the first component only
    measured = reliance(model, **given)
    unused = measured.data.isel(variable=5).sel(part=list(PARTS))
    assert unused["variable"].item() == "f1"
    assert (unused["change"] == 0).all()
    assert (unused["error"] == measured.data["base_error"]).all()
    y1 = measured.data.isel(variable=1).sel(part="whole")
    assert y1["change"].sel(component="y0") == 0
    assert y1["change"].sel(component="y1") > 0.1


def test_everything_exchanged_is_the_forecast_of_the_partner():
    given = two_series()
    model = weighing_model(given)
    measured = reliance(model, **given, stride=3)
    forecasts = model.historical_forecasts(
        **given, forecast_horizon=HORIZON, stride=3, overlap_end=True, retrain=False, last_points_only=False
    )
    values = np.stack([one.values() for several in forecasts for one in several])
    partner = measured.data["partner"].to_numpy()
    np.testing.assert_allclose(measured.data["spread"], np.abs(values - values[partner]).mean(axis=(0, 1)), rtol=1e-9)


@pytest.mark.parametrize("arguments", [{}, {"batch_size": 1}, {"batch_size": 4}])
def test_batches_and_the_order_of_columns_make_no_difference(arguments):
    given = two_series()
    model = weighing_model(given)
    frame = reliance(model, **given, random_state=3).to_frame()
    swapped = given | {"future_covariates": [one[["f1", "f0"]] for one in given["future_covariates"]]}
    again = reliance(model, **swapped, random_state=3, **arguments).to_frame()
    key = ["variable", "part", "component"]
    one, other = (f.sort_values(key, ignore_index=True) for f in (frame, again))
    pd.testing.assert_frame_equal(one, other, rtol=1e-9)


def test_two_windows_exchange_whatever_their_order():
    given = two_series()
    model = weighing_model(given)
    last = {"stride": 50, "start": given["series"][1].time_index[8]}
    frames = [
        reliance(model, **{name: several[::step] for name, several in given.items()}, **last).to_frame()
        for step in (1, -1)
    ]
    pd.testing.assert_frame_equal(*frames, rtol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5, 23])
def test_no_window_keeps_its_own_and_each_is_given_once(n):
    drawn = [random_partners(n, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    for partners in drawn:
        assert (partners != np.arange(n)).all()
        assert sorted(partners) == list(range(n))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert n < 5 or (drawn[0] != drawn[2]).any()


def planted() -> tuple[TimeSeries, TimeSeries]:
    """Return a series that follows its driver at the same step, and the driver next to noise.

    The noise has a level of its own, which nothing shows: a model learns by their marks which of them is which.
    """
    values = draw(300, 2, seed=1).numpy() + np.array([0, 4], dtype=np.float32)
    series = TimeSeries.from_values(values[:, :1] + 0.1 * draw(300, 1, seed=2).numpy(), columns=["y"])
    return series, TimeSeries.from_values(values, columns=["driver", "noise"])


@pytest.mark.parametrize(
    ("model_class", "arguments"),
    [
        (TemporalFusionTransformerModel, {}),
        (PatchTSTModel, {"patch_length": 4, "stride": 2}),
        (ITransformerModel, {"d_model": 16, "n_encoder_layers": 1, "d_ff": 16, "n_epochs": 16}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_driver_is_told_from_noise(model_class, arguments):
    series, known = planted()
    sizes = {"d_model": 8, "n_heads": 2, "n_epochs": 8, "optimizer_kwargs": {"lr": 1e-2}, "use_instance_norm": False}
    model = model_class(7, 3, random_state=0, pl_trainer_kwargs=TRAINER, **sizes | arguments)
    model.fit(series[:200], future_covariates=known)
    measured = reliance(model, series[200:], future_covariates=known, max_windows=60)
    change, growth = (
        measured.ranking().set_index("variable")[name] for name in ("relative_change", "relative_error_growth")
    )
    assert change.index[0] == "driver"
    assert change["driver"] > 5 * change["noise"]
    assert growth["driver"] > 1 > 10 * abs(growth["noise"])
    horizon, past = (measured.ranking(part).set_index("variable")["change"] for part in ("horizon", "past"))
    assert horizon["driver"] > 3 * past["driver"]
    assert measured.summary().splitlines()[1].startswith("- y rests on driver")


@sample_of_models
def test_gaps_short_histories_and_several_series(case: Case):
    data = make_data()
    model = case.model(min_input_chunk_length=3).fit(data.series, **data.covariates())
    values = data.series.values(copy=True)
    values[::3] = np.nan
    statics = data.series.static_covariates + 1
    series = [data.series.with_values(values), data.series[:9].with_static_covariates(statics)]
    given = {name: [one] * 2 for name, one in data.covariates().items()}
    before = torch.get_rng_state()
    first, again = (reliance(model, series, **given, stride=4, max_windows=11) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    frame = first.to_frame()
    pd.testing.assert_frame_equal(frame, again.to_frame(), check_exact=True)
    assert len(frame) == 3 * (2 * 3 + 2 * 2 + 2 * 3 + 2)
    assert np.isfinite(frame[["change", "relative_change", "error_growth"]]).all(axis=None)
    assert (frame["change"] >= 0).all()
    own = frame[(frame["kind"] == "target") & (frame["variable"] == frame["component"])]
    assert (own["change"] > 0.01).all()
    assert first.data.sizes["window"] == 11
    assert first.summary().startswith(f"{case.model_class.__name__}, 11 windows of 2 series")


@sample_of_models
def test_errors_are_those_of_the_forecast_itself(case: Case):
    data = make_data()
    given = {"start": 30, "stride": 7, **data.covariates()}
    measured = reliance(fitted(case), data.series, **given)
    forecasts = fitted(case).historical_forecasts(
        data.series, forecast_horizon=H, retrain=False, last_points_only=False, overlap_end=True, **given
    )
    assert measured.data.sizes["window"] == len(forecasts) == 4
    errors = [mae(data.series, one, component_reduction=None) for one in forecasts[:3]]
    rest = np.abs(forecasts[3].values()[:2] - data.series.values()[-2:])
    assert forecasts[3].start_time() == data.series.time_index[-2]
    expected = (H * np.sum(errors, axis=0) + rest.sum(axis=0)) / (3 * H + 2)
    np.testing.assert_allclose(measured.data["base_error"], expected, rtol=1e-5)


FEW = ("PatchTSTModel", "LogSparseTransformerModel", "TemporalFusionTransformerModel")
few_models = pytest.mark.parametrize("case", [CASE[name] for name in FEW], ids=lambda case: case.name)


@few_models
@pytest.mark.parametrize("likelihood", [GaussianLikelihood(), QuantileRegression([0.1, 0.5, 0.9])], ids=str)
def test_of_a_likelihood_mean_or_median_counts(case: Case, likelihood):
    data = make_data(1)
    model = case.model(likelihood=likelihood).fit(data.series, **data.covariates())
    forecast = model.predict(
        H, data.series[:47], **data.covariates(), predict_likelihood_parameters=True, num_samples=1
    ).values()
    level = forecast[:, [likelihood.num_parameters // 2]]
    if isinstance(likelihood, GaussianLikelihood):
        level = forecast[:, :1]
    alone = reliance(model, data.series[: 47 + H], **data.covariates(), start=47, stride=H)
    assert alone.data["component"].to_numpy().tolist() == ["y0"]
    assert alone.data.sizes["window"] == 2  # of which the second knows nothing of what came
    np.testing.assert_allclose(
        alone.data["base_error"], np.abs(level - data.series.values()[47 : 47 + H]).mean(), rtol=1e-5
    )


@few_models
@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed"])
def test_bfloat16(case: Case, precision):
    data = make_data()
    model = case.model(pl_trainer_kwargs={"precision": precision}).fit(data.series, **data.covariates())
    frame = reliance(model, data.series, **data.covariates(), start=40, stride=4).to_frame()
    assert np.isfinite(frame[["change", "relative_change", "error_growth"]]).all(axis=None)
    assert frame["change"].dtype == np.float64


def test_columns_of_encoders_are_variables_and_what_the_model_keeps_is_the_default():
    data = make_data(2, ("future",))
    model = (
        CASE["PatchTSTModel"]
        .model(add_encoders={"cyclic": {"future": ["dayofweek"]}})
        .fit(data.series, **data.covariates())
    )
    measured = reliance(model, max_windows=5)
    names = measured.data["variable"].to_numpy().tolist()
    assert names[:4] == ["y0", "y1", "f0", "f1"]
    assert ["sin" in name for name in names[4:]] == [True, False]
    assert all("dayofweek" in name for name in names[4:])
    weekly = reliance(model, stride=7)
    calendar = weekly.data.sel(part="whole").isel(variable=[4, 5])
    assert calendar["change"].isnull().all()  # the same day of the week in every window


def test_one_series_has_no_static_values_to_exchange():
    data = make_data()
    measured = reliance(fitted(CASE["PatchTSTModel"]), data.series, **data.covariates(), stride=20)
    assert measured.data["kind"].to_numpy().tolist() == ["target"] * 3 + ["past"] * 2 + ["future"] * 2


def test_windows_are_drawn_along_the_whole_series():
    data = make_data(1, ())
    model = fitted(CASE["ITransformerModel"], 1, ())
    drawn = [reliance(model, data.series, max_windows=9, random_state=seed).data for seed in (0, 0, 1)]
    times = [d["last_seen"].to_numpy() for d in drawn]
    assert (np.diff(times[0]) > np.timedelta64(0, "D")).all()
    assert (times[0] == times[1]).all()
    assert (times[0] != times[2]).any()
    everything = reliance(model, data.series).data["last_seen"].to_numpy()
    assert len(everything) == 53 - L + 1
    assert set(times[0]) < set(everything)


def measured_sum(n: int = 2) -> Reliance:
    model = weighing_model(two_series())
    return reliance(model, **two_series(), stride=n)


def test_a_row_of_the_frame_says_what_it_is_of():
    measured = measured_sum()
    frame = measured.to_frame()
    assert list(frame.columns) == [
        "variable", "kind", "part", "component", "change", "relative_change", "error_growth", "relative_error_growth"
    ]  # fmt: skip
    assert len(frame) == 2 * (4 * 2 + 2 * 3 + 2)
    at = frame[(frame["variable"] == "f1") & (frame["part"] == "horizon") & (frame["component"] == "y1")]
    data = measured.data.isel(variable=5).sel(part="horizon", component="y1")
    assert at["kind"].item() == "future"
    assert at["change"].item() == data["change"]
    assert at["relative_change"].item() == pytest.approx(float(data["change"] / data["spread"]))
    assert at["error_growth"].item() == pytest.approx(float(data["error"] - data["base_error"]))
    assert at["relative_error_growth"].item() == pytest.approx(float(data["error"] / data["base_error"]) - 1)


def test_the_ranking_of_several_components_is_of_shares():
    measured = measured_sum()
    frame, ranking = measured.to_frame(), measured.ranking("horizon")
    assert list(ranking.columns) == ["variable", "kind", "relative_change", "relative_error_growth"]
    assert sorted(ranking["variable"]) == ["f0", "f1"]
    assert ranking["relative_change"].is_monotonic_decreasing
    rows = frame[(frame["variable"] == "f0") & (frame["part"] == "horizon")]
    mean = ranking.set_index("variable")["relative_change"]["f0"]
    assert mean == pytest.approx(rows["relative_change"].mean())
    one = measured.ranking(component="y1")
    assert one["change"].dropna().is_monotonic_decreasing
    assert len(one) == 8


def words_of(figure) -> str:
    figure.savefig(io.BytesIO(), format="png")
    texts = [figure._suptitle.get_text(), *(t.get_text() for legend in figure.legends for t in legend.get_texts())]
    for axes in figure.axes:
        texts += [axes.xaxis.label.get_text(), *(t.get_text() for t in axes.yaxis.get_ticklabels())]
    return "\n".join(texts)


def test_bars_are_sorted_and_named():
    measured = measured_sum()
    figure = measured.plot()
    words = words_of(figure)
    for name in ("y0", "p1", "f0", "s0", "target", "static", "horizon alone", "mean over 2 components", "share of it"):
        assert name in words
    ranking = measured.ranking()
    for axes, column in zip(figure.axes, ("relative_change", "relative_error_growth"), strict=True):
        bars = axes.containers[0]
        np.testing.assert_allclose([bar.get_width() for bar in bars], ranking[column])
        heights = [bar.get_y() for bar in bars]
        assert heights == sorted(heights, reverse=True)
    (marks,) = [line for line in figure.axes[0].lines if line.get_marker() == ">"]
    alone = measured.ranking("horizon").set_index("variable")["relative_change"]
    for value, height in zip(*marks.get_data(), strict=True):
        name = ranking["variable"][len(ranking) - 1 - int(height)]
        assert alone[name] == value
    assert "the first 3 of 8" in words_of(measured.plot("y1", top=3))
    assert "forecast of y1" in words_of(measured.plot("y1"))


def test_without_a_truth_there_are_changes_alone():
    given = two_series()
    model = weighing_model(given)
    last = given | {"series": [one[:LOOKBACK] for one in given["series"]]}
    measured = reliance(model, **last)
    assert measured.data.sizes["window"] == 2
    frame = measured.to_frame()
    told = frame[frame["variable"] != "s1"]["change"]  # the same for both series
    assert (told >= 0).all()
    assert frame["change"].isna().sum() == 2
    assert frame[["error_growth", "relative_error_growth"]].isna().all(axis=None)
    assert len(measured.plot().axes) == 1
    assert "error" not in measured.summary()


def test_the_summary_names_what_counts():
    given = two_series()
    model = weighing_model(given)
    with torch.no_grad():
        model.model.forecaster.network.weights()["past"][..., 0] = 0
    measured = reliance(model, **given)
    lines = str(measured).splitlines()
    assert lines[0].startswith("WeighingModel, 22 windows of 2 series: ")
    top = measured.ranking(component="y0").iloc[0]
    past_of = "the past of " if top["kind"] == "target" else ""
    assert lines[1].startswith(f"- y0 rests on {past_of}{top['variable']} {top['change']:.3g} (")
    assert f"Its mean absolute error, {float(measured.data['base_error'][0]):.3g}, grows by " in lines[1]
    assert lines[3].startswith("- By what is known of the past, and of the horizon: f")
    assert lines[4] == "- Hardly used, below 1%: p0."
    assert lines[5] == "- Alike in all windows, so that nothing can be told of it: s1."


def test_a_forecast_that_rests_on_nothing_says_so():
    given = two_series()
    model = weighing_model(given)
    with torch.no_grad():
        model.model.forecaster.network.map.weight.zero_()
    measured = reliance(model, **given)
    assert (measured.to_frame()["change"].dropna() == 0).all()
    assert measured.to_frame()["relative_change"].isna().all()  # a share of nothing
    assert measured.summary().splitlines()[1].endswith("grows with none of them.")
    assert len(measured.plot("y0").axes) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stride": 0}, "stride=0 must be an integer of at least 1"),
        ({"max_windows": 1}, "max_windows=1 must be an integer of at least 2"),
        ({"batch_size": 0}, "batch_size=0 must be an integer of at least 1"),
        ({"random_state": -1}, "random_state=-1 must be an integer of at least 0"),
        ({"stride": 99}, "start=None and stride=99 give 1 window, but an exchange needs at least 2"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        reliance(fitted(CASE["PatchTSTModel"], 1, ()), make_data(1, ()).series, **arguments)


def test_bad_models_and_series():
    with pytest.raises(TypeError, match=exactly("model=str(...) must be a forecaster of darts_tsformers")):
        reliance("a model")
    with pytest.raises(ValueError, match=r"PatchTSTModel\(\.\.\.\) must be fitted first"):
        reliance(CASE["PatchTSTModel"].model())
    with pytest.raises(ValueError, match="series=None must be one or several series"):
        reliance(weighing_model(two_series()))
    with pytest.raises(ValueError, match="is after the last timestamp"):
        reliance(fitted(CASE["PatchTSTModel"], 1, ()), make_data(1, ()).series, start=pd.Timestamp("2030-01-01"))


def test_bad_choices():
    measured = measured_sum()
    with pytest.raises(ValueError, match=exactly("part='future' must be one of ['horizon', 'past', 'whole']")):
        measured.ranking("future")
    with pytest.raises(ValueError, match=exactly("component='y7' must be one of ['y0', 'y1']")):
        measured.plot("y7")
    with pytest.raises(ValueError, match=exactly("top=0 must be an integer of at least 1")):
        measured.plot(top=0)


def test_words_tell_variables_of_one_name_apart():
    def unnamed(length: int) -> TimeSeries:
        return TimeSeries.from_values(np.sin(np.arange(length) ** 1.3)[:, None].astype(np.float32))

    given = {"past_covariates": unnamed(61), "future_covariates": unnamed(80)}
    said = reliance(CASE["PatchTSTModel"].model().fit(unnamed(61), **given), unnamed(61), **given).summary()
    assert all(name in said for name in ("the past of 0", "the past covariate 0", "the future covariate 0"))
    assert "nan" not in said
