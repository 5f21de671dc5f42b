"""Every model explains itself: what it looks at, when that was, and without changing its forecast."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression

from darts_tsformers.explain import Explanation, explain, findings
from darts_tsformers.explain.plots import PICTURES
from darts_tsformers.recording import KINDS, recording
from tests.contracts.cases import CASE, CASES, MAIN, Case, H, L, every_explained, fitted, make_data, some_models
from tests.contracts.checks import batch
from tests.helpers import exactly

MECHANISMS = ("full", "prob_sparse", "log_sparse", "auto_correlation")


with_maps = pytest.mark.parametrize(
    "case", [case for case in MAIN if case.takes("attention")], ids=lambda case: case.name
)


@cache
def explained(case: Case) -> Explanation:
    data = make_data()
    return explain(fitted(case), data.series, **data.covariates())


def in_steps(e: Explanation, times: np.ndarray) -> np.ndarray:
    """Return how many days a time is after the last step seen."""
    return ((times - pd.Timestamp(e.origins[0].last_seen).to_datetime64()) / np.timedelta64(1, "D")).astype(int)


def assert_same(ours: Explanation, theirs: Explanation, **tolerance: float) -> None:
    assert {kind: list(parts) for kind, parts in ours.parts.items()} == {k: list(p) for k, p in theirs.parts.items()}
    for kind, parts in ours.parts.items():
        for path, part in parts.items():
            for name, array in part.data_vars.items():
                other = theirs.parts[kind][path][name].to_numpy()
                np.testing.assert_allclose(array.to_numpy(), other, err_msg=f"{kind} {path}", **tolerance)


def assert_finite(e: Explanation) -> None:
    for kind, parts in e.parts.items():
        for path, part in parts.items():
            for name, array in part.data_vars.items():
                if name != "period":  # that of a mean is infinite
                    assert np.isfinite(array).all(), (kind, path, name)


@every_explained
def test_recording_leaves_the_forecast_as_it_is(case: Case):
    module, given = fitted(case).model.eval(), batch(5)
    plain = module(given).prediction
    with recording(*KINDS) as record:
        recorded = module(given).prediction
    torch.testing.assert_close(recorded, plain, rtol=1e-6, atol=1e-6)
    assert any(record.values()), "nothing was recorded"


@every_explained
@pytest.mark.parametrize("n", [1, 2 * H + 3])
def test_the_forecasts_are_those_of_predict(case: Case, n):
    data, model = make_data(), fitted(case)
    e = explain(model, data.series, n=n, **data.covariates())
    np.testing.assert_allclose(
        e.forecasts[0].values(), model.predict(n, data.series, **data.covariates()).values(), rtol=1e-5, atol=1e-6
    )


@every_explained
def test_rows_sum_to_one_where_maps_are_exact(case: Case):
    e = explained(case)
    assert e.parts
    for weights in e.maps.values():
        assert (weights >= 0).all()
        if weights.attrs["exact"] and weights.attrs["mechanism"] != "AutoCorrelation":
            np.testing.assert_allclose(weights.sum("key"), 1, rtol=1e-5)


@every_explained
def test_every_layer_is_there_with_all_its_heads(case: Case):
    network = fitted(case).model.forecaster.network
    assert set(explained(case).maps) == set(network.attention_layers()) <= set(network.layouts())
    for path, weights in explained(case).maps.items():
        part = network.get_submodule(path)
        n_heads = part.n_heads if hasattr(part, "n_heads") else network.language.transformer.config.num_attention_heads
        assert weights.sizes["head"] == n_heads
        assert weights["head"].to_numpy().tolist() == list(range(1, weights.sizes["head"] + 1))


@every_explained
def test_tokens_are_named_by_times_in_the_window_or_by_variables(case: Case):
    e = explained(case)
    for weights in e.maps.values():
        for dim in ("query", "key"):
            if not findings.is_over_time(weights, dim):
                names = ["y0", "y1", "y2", "p0", "p1", "f0", "f1"]
                assert weights[dim].to_numpy().tolist() == names
                assert weights[f"{dim}_kind"].to_numpy().tolist() == ["target"] * 3 + ["past"] * 2 + ["future"] * 2
                continue
            first, last = weights[dim].to_numpy(), weights[f"{dim}_last"].to_numpy()
            assert (first <= last).all()
            assert (np.diff(first) > 0).all()
            assert (np.diff(last) >= 0).all()
            assert first[0] >= 1 - L
            assert last[-1] <= H
            assert (last - first < L / 2).all()
            np.testing.assert_array_equal(in_steps(e, weights[f"{dim}_start"].to_numpy()[0]), first)
            np.testing.assert_array_equal(in_steps(e, weights[f"{dim}_end"].to_numpy()[0]), last)


@some_models
def test_an_output_shift_moves_the_horizon_alone(case: Case):
    data = make_data()
    e = explain(
        case.model(output_chunk_shift=4).fit(data.series, **data.covariates()), data.series, **data.covariates()
    )
    assert e.origins[0].last_seen == data.series.end_time()
    for path, weights in e.maps.items():
        for dim in ("query", "key"):
            if findings.is_over_time(weights, dim):
                there, here = weights[dim].to_numpy(), explained(case).maps[path][dim].to_numpy()
                np.testing.assert_array_equal(there, here + 4 * (here > 0))


@with_maps
@pytest.mark.parametrize("attention", MECHANISMS)
def test_every_mechanism_is_explained(case: Case, attention):
    if attention in case.refuses:
        pytest.skip("refused by the model")
    data = make_data()
    model = case.model(attention=attention).fit(data.series, **data.covariates())
    e = explain(model, data.series, **data.covariates())
    assert all(np.isfinite(weights).all() for weights in e.maps.values())
    assert (findings.offset_shares(e)["share"].groupby(findings.offset_shares(e)["layer"]).sum() > 0).all()
    if attention == "auto_correlation":
        for part in e.parts["delays"].values():
            assert part["period"].min() >= 0
            np.testing.assert_allclose(part["weight"].sum("rank"), 1, rtol=1e-5)
    if attention == "prob_sparse":
        for path, part in e.parts["queries"].items():
            assert part["measure"].shape == part["selected"].shape == e.maps[path].shape[:-1]


@every_explained
def test_each_pass_over_a_window_is_an_entry(case: Case):
    data = make_data()
    many = {name: [given] * 3 for name, given in data.covariates().items()}
    series = [data.series, data.series[:-7], data.series[:-1]]
    e = explain(fitted(case), series, n=2 * H + 3, batch_size=2, **many)
    shown = [(origin.series, origin.n_forecast) for origin in e.origins]
    assert shown == [(0, 0), (1, 0), (0, H), (1, H), (0, H + 3), (1, H + 3), (2, 0), (2, H), (2, H + 3)]
    assert len(e.forecasts) == 3
    alone = explain(fitted(case), series[1], n=2 * H + 3, **data.covariates())
    for path, weights in e.maps.items():
        np.testing.assert_allclose(weights.to_numpy()[[1, 3, 5]], alone.maps[path].to_numpy(), rtol=1e-4, atol=1e-5)
    for i, origin in enumerate(e.origins):
        assert origin.last_seen == series[origin.series].end_time() + origin.n_forecast * pd.Timedelta("1D")
        assert str(origin.last_seen.date()) in e.window_names[i]


@every_explained
def test_windows_of_a_long_series_are_those_of_cut_series(case: Case):
    data = make_data()
    start = data.series.time_index[40]
    e = explain(fitted(case), data.series, start=start, stride=5, **data.covariates())
    cuts = [40, 45, 50]
    assert [origin.last_seen for origin in e.origins] == [data.series.time_index[cut - 1] for cut in cuts]
    for i, cut in enumerate(cuts):
        alone = explain(fitted(case), data.series[:cut], **data.covariates())
        for path, weights in e.maps.items():
            np.testing.assert_allclose(weights.to_numpy()[i], alone.maps[path].to_numpy()[0], rtol=1e-4, atol=1e-5)


@some_models
def test_what_does_not_fit_in_memory_comes_from_disk(case: Case):
    data = make_data()
    given = {"start": 30, "stride": 4, **data.covariates()}
    whole, streamed = (explain(fitted(case), data.series, max_windows=n, batch_size=2, **given) for n in (64, 3))
    assert_same(streamed, whole, rtol=0, atol=0)
    for path, weights in whole.maps.items():
        assert weights.sizes["window"] == 6
        np.testing.assert_allclose(streamed.mean_maps[path], whole.mean_maps[path])
    assert streamed.folder._path is not None
    assert whole.folder._path is None


@some_models
def test_a_saved_model_explains_itself_alike(case: Case, tmp_path):
    data, e = make_data(), explained(case)
    fitted(case).save(tmp_path / "saved.pt")
    loaded = explain(case.model_class.load(tmp_path / "saved.pt"), data.series, **data.covariates())
    assert_same(loaded, e, rtol=1e-5, atol=1e-6)


@some_models
@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed"])
def test_bfloat16(case: Case, precision):
    data = make_data()
    model = case.model(pl_trainer_kwargs={"precision": precision}).fit(data.series, **data.covariates())
    e = explain(model, data.series, n=H + 2, **data.covariates())
    for weights in e.maps.values():
        assert weights.dtype == np.float32
        if weights.attrs["mechanism"] != "AutoCorrelation":  # whose weight can fall behind the end of short keys
            np.testing.assert_allclose(weights.sum("key"), 1, rtol=0.03)
    assert_finite(e)
    assert e.summary()


@some_models
def test_gaps_and_short_histories(case: Case):
    data = make_data()
    model = case.model(min_input_chunk_length=3).fit(data.series, **data.covariates())
    values = data.series.values(copy=True)
    values[::3] = np.nan
    e = explain(
        model, [data.series.with_values(values), data.series[-4:]], **{k: [v] * 2 for k, v in data.covariates().items()}
    )
    assert_finite(e)
    for weights in e.maps.values():
        if findings.is_over_time(weights, "key"):
            assert (
                pd.Timestamp(weights["key_start"].to_numpy()[1, 0])
                >= data.series.end_time() - (L - 1) * data.series.freq
            )


@some_models
@pytest.mark.parametrize("likelihood", [GaussianLikelihood(), QuantileRegression([0.1, 0.5, 0.9])], ids=str)
def test_likelihoods(case: Case, likelihood):
    data = make_data()
    model = case.model(likelihood=likelihood).fit(data.series, **data.covariates())
    first, second = (explain(model, data.series, **data.covariates()) for _ in range(2))
    assert first.forecasts[0].n_components == 3 * likelihood.num_parameters
    for path, weights in first.maps.items():
        np.testing.assert_array_equal(weights.to_numpy(), second.maps[path].to_numpy())
    beyond = explain(model, data.series, n=H + 1, **data.covariates())
    assert [origin.n_forecast for origin in beyond.origins] == [0, 1]


@some_models
@pytest.mark.parametrize("index", ["datetime", "range"])
def test_without_covariates_and_with_positions_for_times(case: Case, index):
    data = make_data(1, (), index=index)
    e = explain(case.model().fit(data.series))
    assert e.origins[0].last_seen == data.series.end_time()
    for kind, parts in e.parts.items():
        first = [next(iter(part.data_vars.values())) for part in parts.values()]
        assert len(e.to_frame(kind)) == sum(part.size for part in first)
    assert e.summary().startswith(case.model_class.__name__)


@some_models
def test_covariates_of_encoders_are_named(case: Case):
    data = make_data(2, ("future",))
    model = case.model(add_encoders={"cyclic": {"future": ["dayofweek"]}}).fit(data.series, **data.covariates())
    e = explain(model, data.series, **data.covariates())
    for weights in e.maps.values():
        if not findings.is_over_time(weights, "key"):
            assert weights["key"].to_numpy().tolist()[:4] == ["y0", "y1", "f0", "f1"]
            assert "dayofweek" in weights["key"].to_numpy()[-1]


@with_maps
def test_a_row_of_the_frame_says_what_it_is_of(case: Case):
    e = explained(case)
    path, weights = next(iter(e.maps.items()))
    frame = e.to_frame(layer=path)
    assert list(frame.columns[:3]) == ["layer", "window", "series"]
    for at in (0, len(frame) // 3, len(frame) - 1):
        row = frame.iloc[at]
        chosen = weights.isel(window=0)
        for dim in chosen.dims:
            chosen = chosen.isel({dim: list(weights[dim].to_numpy()).index(row[dim])})
        assert float(chosen) == row["weight"]
        assert {name: chosen[name].item() for name in ("head",)} == {"head": row["head"]}


@with_maps
def test_figures_of_each_head(case: Case):
    health = explained(case).health()
    assert len(health) == sum(weights.sizes["head"] for weights in explained(case).maps.values())
    assert health["entropy"].between(0, 1 + 1e-6).all()
    assert health["top_share"].between(0, 1 + 1e-6).all()


@every_explained
def test_pictures_can_be_drawn(case: Case, tmp_path):
    e = explained(case)
    kinds = ["attention", "importance"] if e.maps else []
    if any(True for _ in findings.maps_over_time(e)) or "modes" in e.parts:
        kinds.append("lags")
    if "trend" in e.parts:
        kinds.append("decomposition")
    kinds += [kind for kind in PICTURES if kind in e.parts and kind not in kinds]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in [None, *kinds]:
            e.plot(kind).savefig(tmp_path / "picture.png")
            assert (tmp_path / "picture.png").stat().st_size > 5000


@some_models
def test_only_the_kinds_asked_for_are_kept(case: Case):
    data = make_data()
    kind = next(iter(explained(case).parts))
    assert list(explain(fitted(case), data.series, kinds=[kind], **data.covariates()).parts) == [kind]
    name = case.model_class.__name__
    message = (
        f"^{name} records nothing of what was asked for: without kinds= all is, unless its mechanism returns no weig"
    )
    absent = next(kind for kind in KINDS if kind not in explained(case).parts)
    with pytest.raises(ValueError, match=message):
        explain(fitted(case), data.series, kinds=[absent], **data.covariates())


def of(name: str) -> list[Case]:
    return [case for case in CASES if case.name.startswith(name)]


@pytest.mark.parametrize(
    ("case", "kinds"),
    [
        (of("Autoformer")[0], {"attention", "delays", "correlation", "trend"}),
        (of("FEDformer")[0], {"modes", "mode_attention", "experts", "trend"}),
        (of("FEDformer")[1], {"modes", "levels", "trend"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_decomposing_models_have_to_say(case: Case, kinds):
    e, network = explained(case), fitted(case).model.forecaster.network
    assert set(e.parts) == kinds
    for kind in kinds & {"correlation", "levels", "modes", "experts", "mode_attention"}:
        assert set(e.to_frame(kind)["layer"]) == set(e.parts[kind])
    for part in e.parts.get("correlation", {}).values():
        assert part["correlation"].dims == ("window", "lag")
    for part in e.parts.get("levels", {}).values():
        np.testing.assert_allclose(part["weight"].sum("level"), 1, rtol=1e-5)
    for path, part in e.parts.get("experts", {}).items():
        assert part["kernel"].to_numpy().tolist() == list(network.get_submodule(path).kernel_sizes)
        np.testing.assert_allclose(part["weights"].sum("kernel"), 1, rtol=1e-5)


@some_models
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n=0 must be an integer of at least 1"),
        ({"stride": 0}, "stride=0 must be an integer of at least 1"),
        ({"max_windows": 0}, "max_windows=0 must be an integer of at least 1"),
        ({"batch_size": -1}, "batch_size=-1 must be an integer of at least 1"),
        ({"kinds": "attention"}, "kinds='attention' must be a sequence of names, such as ['attention']"),
        ({"kinds": ["maps"]}, f"kinds=['maps'] must be of {list(KINDS)}; 'maps' is not"),
    ],
)
def test_bad_arguments(case: Case, arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        explain(fitted(case), make_data().series, **arguments)


def test_only_fitted_models_of_this_package_can_be_explained():
    with pytest.raises(TypeError, match=exactly("model=str(...) must be a forecaster of darts_tsformers")):
        explain("a model")
    with pytest.raises(ValueError, match=r"PatchTSTModel\(\.\.\.\) must be fitted first"):
        explain(CASE["PatchTSTModel"].model())


@pytest.mark.usefixtures("unchecked")
def test_integers_of_numpy_are_integers():
    model, series = fitted(CASE["PatchTSTModel"], 1, ()), make_data(1, ()).series
    numbers = {"n": np.int64(H + 2), "stride": np.int32(9), "batch_size": np.int64(2), "max_windows": np.uint8(3)}
    assert_same(explain(model, series, **numbers), explain(model, series, n=H + 2, stride=9, batch_size=2))


@pytest.mark.parametrize("arguments", [{"stride": 3}, {"start": 20}], ids=str)
def test_a_model_that_keeps_no_series_is_given_one(arguments):
    series = make_data(1, ()).series
    model = CASE["PatchTSTModel"].model().fit([series, series])
    with pytest.raises(ValueError, match="series=None must be one or several series: the model keeps none"):
        explain(model, **arguments)


def test_series_of_other_names_share_none():
    data = make_data(3, ())
    model = fitted(CASE["ITransformerModel"], 3, ())
    other = data.series.with_columns_renamed(["y0", "y1", "y2"], ["a", "b", "c"])
    e = explain(model, [data.series, other])
    assert next(iter(e.maps.values()))["key"].to_numpy().tolist() == ["target 1", "target 2", "target 3"]


@pytest.mark.parametrize(
    "case", [case for case in MAIN if hasattr(case.model_class, "decompose")], ids=lambda c: c.name
)
@pytest.mark.parametrize("arguments", [{}, {"use_reversible_instance_norm": True}], ids=["plain", "rin"])
def test_trends_are_those_of_decompose(case: Case, arguments):
    data = make_data()
    model = case.model(likelihood=QuantileRegression([0.1, 0.5, 0.9]), **arguments).fit(
        data.series, **data.covariates()
    )
    e = explain(model, data.series, **data.covariates())
    (part,) = e.parts["trend"].values()
    chosen = part.isel(window=0, parameter=e.level)
    parts = model.decompose(series=data.series, **data.covariates())
    np.testing.assert_allclose(chosen["trend"], parts.trend.values(), rtol=1e-4, atol=1e-5)
    rest = (chosen["forecast"] - chosen["trend"]).to_numpy()
    np.testing.assert_allclose(rest, parts.seasonal.values(), rtol=1e-3, atol=1e-4)
    assert chosen["time_start"].to_numpy()[0] == parts.trend.start_time().to_datetime64()
