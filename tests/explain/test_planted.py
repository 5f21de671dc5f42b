"""Explanations of models that are known to look at one thing say so, at the right time or by the right name."""

import os

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from torch import nn

from darts_tsformers.explain import Explanation, explain, findings, spectra
from darts_tsformers.explain.patterns import densest_span
from darts_tsformers.explain.windows import duration
from darts_tsformers.layers.decomposition.moving_average import MixtureDecomposition
from darts_tsformers.layers.transformer.distilling import Distilling
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.models import (
    AutoformerModel,
    ChimeraModel,
    FEDformerModel,
    InformerModel,
    ITransformerModel,
    LogSparseTransformerModel,
    PatchTSTModel,
    SpaceTimeModel,
    TemporalFusionTransformerModel,
)
from darts_tsformers.window.units import Unit
from tests.contracts.cases import TRAINER

L, H = 24, 6
HOURS = pd.date_range("2021-03-01", periods=60, freq="h")
PLAIN = {"n_epochs": 0, "dropout": 0.0, "use_instance_norm": False, "pl_trainer_kwargs": TRAINER, "random_state": 0}


def with_event(at: int, n_components: int = 1, length: int = 60) -> TimeSeries:
    values = np.zeros((length, n_components), dtype=np.float32)
    values[at] = 1
    return TimeSeries(HOURS[:length], values, components=[f"y{i}" for i in range(n_components)])


@torch.no_grad()
def look_for_the_event(network: nn.Module) -> None:
    """Let each layer of attention look for tokens with a large first feature, and change none of them."""
    for part in network.modules():
        if isinstance(part, nn.LayerNorm):
            part.weight.fill_(1)
            part.bias.zero_()
        if isinstance(part, MultiHeadAttention):
            d = part.project_out.in_features
            part.project_in.weight.zero_()
            part.project_in.bias.zero_()
            part.project_in.bias[:d] = 4.0
            part.project_in.weight[d : 2 * d, 0] = 4.0
            part.project_out.weight.zero_()
            part.project_out.bias.zero_()


@torch.no_grad()
def silence(*parts: nn.Module | nn.Parameter | None) -> None:
    for part in parts:
        for parameter in [part] if isinstance(part, nn.Parameter) else part.parameters() if part is not None else []:
            parameter.zero_()


@torch.no_grad()
def first_feature(linear: nn.Linear) -> None:
    """Let a token's first feature be the sum of what it is made of, and the others nothing."""
    silence(linear)
    linear.weight[0] = 1


def most_attended(e: Explanation, layer: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    weights = e.maps[layer].isel(window=0)
    key = int(weights.mean([dim for dim in weights.dims if dim != "key"]).to_numpy().argmax())
    return pd.Timestamp(weights["key_start"].to_numpy()[key]), pd.Timestamp(weights["key_end"].to_numpy()[key])


def prepared(model, series, **covariates):
    model.fit(series, **covariates)
    network = model.model.forecaster.network
    for part in network.modules():
        if hasattr(part, "feed_forward"):
            silence(part.feed_forward)
    look_for_the_event(network)
    return network


EVENTS = [37, 44, 51, 59]


@pytest.mark.parametrize("event", EVENTS)
def test_a_patch_that_holds_the_event_is_found(event):
    series = with_event(event)
    model = PatchTSTModel(L, H, patch_length=5, stride=3, d_model=4, n_heads=2, norm="layer", **PLAIN)
    network = prepared(model, series)
    first_feature(network.backbone.embedding)
    silence(network.backbone.position)
    e = explain(model, series)
    for layer in e.maps:
        start, end = most_attended(e, layer)
        assert start <= HOURS[event] <= end
        assert end - start <= pd.Timedelta(hours=4)
    profile = findings.time_profile(e)
    span = densest_span(profile.to_numpy(), share=0.8)
    assert span.stop - span.start <= 8
    assert HOURS[event] in e.origins[0].times(list(profile.index[span]))


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("shift", [0, 5])
@pytest.mark.parametrize("replicas", [None, (3, 1)], ids=["one", "replicas"])
def test_the_event_is_found_through_distilling(event, shift, replicas):
    series = with_event(event)
    model = InformerModel(
        L, H, output_chunk_shift=shift, d_model=4, n_heads=2, n_encoder_layers=3, replica_layers=replicas,
        attention="full", distil_norm="layer", label_length=7, **PLAIN,
    )  # fmt: skip
    network = prepared(model, series)
    with torch.no_grad():
        for embedding in (network.encoder_embedding, network.decoder_embedding):
            silence(embedding)
            embedding.values.linear.weight[0, 1] = 30  # of the step itself; 0 and 2 are its neighbours
            embedding.position.forward = lambda steps: torch.zeros(len(steps), 4)
        for part in network.modules():
            if isinstance(part, Distilling):
                silence(part.convolution)
                part.convolution.linear.weight[:, 4:8] = torch.eye(4)
    e = explain(model, series)
    assert e.forecasts[0].start_time() == HOURS[59] + pd.Timedelta(hours=1 + shift)
    n_seen = 0
    for layer in e.maps:
        weights = e.maps[layer].isel(window=0)
        if layer == "decoder_layers.0.self_attention":
            assert weights["query_start"].to_numpy()[-H] == (HOURS[59] + pd.Timedelta(hours=1 + shift)).to_datetime64()
        starts, ends = weights["key_start"].to_numpy(), weights["key_end"].to_numpy()
        if not ((starts <= HOURS[event]) & (HOURS[event] <= ends)).any():
            continue
        n_seen += 1
        start, end = most_attended(e, layer)
        assert start <= HOURS[event] <= end, layer
    assert n_seen >= 3


@pytest.mark.parametrize("event", EVENTS[:-1])
@pytest.mark.parametrize("mode", ["autoregressive", "direct"])
def test_the_step_of_the_event_is_found(event, mode):
    series = with_event(event)
    model = LogSparseTransformerModel(
        L, H, mode=mode, d_model=4, n_heads=2, n_decoder_layers=2, kernel_size=1, attention="full", **PLAIN
    )
    network = prepared(model, series)
    silence(network.rows, network.head)
    with torch.no_grad():
        network.rows.values.weight[0] = 30
    e = explain(model, series)
    for layer in e.maps:
        rows = e.maps[layer].isel(window=0)
        after = rows["query_start"].to_numpy() >= HOURS[event]
        assert after.sum() > H
        best = rows["key_start"].to_numpy()[rows.to_numpy()[:, after].argmax(-1)]
        assert (best == HOURS[event].to_datetime64()).all()


@pytest.mark.parametrize("driver", ["y2", "p1", "f0"])
def test_the_driver_is_found_by_its_name(driver):
    def part(prefix: str, n: int, length: int) -> TimeSeries:
        names = [f"{prefix}{i}" for i in range(n)]
        values = np.tile([1.0 if name == driver else 0.0 for name in names], (length, 1)).astype(np.float32)
        return TimeSeries(pd.date_range(HOURS[0], periods=length, freq="h"), values, components=names)

    series, covariates = part("y", 3, 60), {"past_covariates": part("p", 2, 60), "future_covariates": part("f", 2, 70)}
    model = ITransformerModel(L, H, d_model=4, n_heads=2, **PLAIN)
    network = prepared(model, series, **covariates)
    for unit in model.model.forecaster.modules():
        if isinstance(unit, Unit):  # of what was constant all is zero
            unit.level.zero_()
            unit.spread.fill_(1)
    first_feature(network.embedding)
    first_feature(network.future_embedding)
    silence(network.past_type)
    e = explain(model, series, **covariates)
    importance = findings.variable_importance(e).sort_values("share", ascending=False)
    assert importance["variable"].iloc[0] == driver
    assert importance["share"].iloc[0] > 0.9
    assert importance["kind"].iloc[0] == {"y": "target", "p": "past", "f": "future"}[driver[0]]
    assert driver in e.summary().split("Most important variables")[1].split("(")[0]
    assert (e.health()["collapsed"]).all()


@pytest.mark.usefixtures("unchecked")  # the checks of sizes would take most of the time
@pytest.mark.parametrize(
    ("driver", "driven"), [("c", "a"), ("a", "c")] if os.environ.get("ALL_FORMS") else [("c", "a")]
)
def test_a_trained_chimera_names_the_component_that_drives_another(driver, driven):
    noise = pd.DataFrame(np.random.default_rng(0).normal(size=(1500, 3)), columns=list("abc"))
    noise[driven] = noise[driver].shift(4).fillna(0)  # what comes of it is the driver's last four steps
    series = TimeSeries.from_dataframe(noise.astype(np.float32))
    series = series.with_static_covariates(pd.DataFrame({"place": [0.0, 3.0, -3.0]}, dtype=np.float32))
    model = ChimeraModel(
        8, 4, patch_length=4, batch_size=32, optimizer_kwargs={"lr": 5e-3}, **PLAIN | {"n_epochs": 10}
    ).fit(series[:-40])
    e = explain(model, series, start=1460, stride=4)
    importance = findings.variable_importance(e).sort_values("share", ascending=False)
    assert importance["variable"].iloc[0] == driver
    assert importance["share"].iloc[0] > 0.4
    assert f"Most important variables by attention of the targets: {driver} (" in e.summary()
    takes = sum(weights.mean(["window", "head"]) for weights in e.maps.values()).sel(query=driven)
    assert takes.drop_sel(key=driven).idxmax() == driver


def test_a_trained_model_of_a_daily_series_looks_back_by_days():
    hours = np.arange(700)
    rng = np.random.default_rng(0)
    values = 2 * np.sin(2 * np.pi * hours / 24) ** 3 + (2 * rng.random(24))[hours % 24] + 0.2 * rng.normal(size=700)
    series = TimeSeries(pd.date_range("2021-03-01", periods=700, freq="h"), values.astype(np.float32))
    model = InformerModel(
        96, 24, attention="full", d_model=32, n_epochs=3, random_state=0, pl_trainer_kwargs=TRAINER, batch_size=16
    )
    e = explain(model.fit(series), series)
    found = findings.periods(e)
    assert found["period"].iloc[0] == 24
    assert found["strength"].iloc[0] > 0.5
    assert "period of 24 h" in e.summary()


def daily_wave(length: int = 300, period: int = 24) -> TimeSeries:
    hours = np.arange(length)
    return TimeSeries(
        pd.date_range("2021-03-01", periods=length, freq="h"), np.sin(2 * np.pi * hours / period).astype(np.float32)
    )


def test_the_best_delays_of_a_daily_wave_are_days():
    series = daily_wave()
    model = AutoformerModel(96, 24, attention=("auto_correlation", {"factor": 1}), **PLAIN).fit(series)
    project_in = model.model.forecaster.network.body.encoder_layers[0].attention.project_in
    with torch.no_grad():
        project_in.weight[64:128] = project_in.weight[:64]  # keys as queries: no phase between them
    e, path = explain(model, series), "body.encoder_layers.0.attention"
    periods = e.parts["delays"][path]["period"].isel(window=0).to_numpy()
    assert len(periods) == 4
    assert sorted(min(period, 96 - period) for period in periods) == [0, 24, 24, 48]
    curve = e.parts["correlation"][path]["correlation"].isel(window=0)
    assert curve["lag"].to_numpy().tolist() == list(range(96))
    assert curve["lag_duration"].to_numpy()[[1, 24, 72]].tolist() == ["1 h", "24 h", "3 days"]
    assert set(np.argsort(curve.to_numpy())[-4:]) == set(periods.astype(int))
    assert set(np.argsort(curve.to_numpy())[:4]) == {12, 36, 60, 84}


def test_the_strongest_mode_of_a_daily_wave_is_a_day():
    series = daily_wave()
    model = FEDformerModel(96, 24, modes=48, mode_select="lowest", **PLAIN).fit(series)
    with torch.no_grad():
        model.model.forecaster.network.body.encoder_embedding.values.linear.bias.zero_()
        model.model.forecaster.network.body.encoder_layers[0].attention.project_query.bias.zero_()
    part = explain(model, series).parts["modes"]["body.encoder_layers.0.attention.block"].isel(window=0)
    strongest = int(part["weight"].to_numpy().argmax())
    assert part["period"].to_numpy()[strongest] == 24
    assert part["weight"].to_numpy()[strongest] > 0.5


@torch.no_grad()
def wavelet_model(series: TimeSeries, order: int, *, coarsest: float) -> FEDformerModel:
    """Build a model whose first block hands on all details, and of the coarsest part a share."""
    model = FEDformerModel(
        96, 24, version="wavelet", modes=64, wavelet_order=order, n_coarse_levels=0, kernel_sizes=(25,), **PLAIN
    ).fit(series)
    layer = model.model.forecaster.network.body.encoder_layers[0].attention
    block = layer.block
    silence(block.detail_from_smooth, block.smooth_from_detail, block.detail_from_detail, block.coarsest)
    block.detail_from_detail.real.copy_(torch.eye(block.detail_from_detail.real.shape[-1]))
    block.coarsest.weight.copy_(coarsest * torch.eye(order))
    biased = model.model.forecaster.network.body.encoder_embedding.values.linear, layer.project_query
    for linear in (*biased, *block.project_in, block.project_out):
        silence(linear.bias)
    return model


BLOCK = "body.encoder_layers.0.attention.block"


@pytest.mark.parametrize(("period", "piece"), [(3, "2 h"), (6, "4 h"), (12, "8 h"), (24, "16 h")])
def test_the_level_whose_pieces_are_about_a_period_has_the_most_energy(period, piece):
    e = explain(wavelet_model(daily_wave(period=period), 1, coarsest=0))
    shares = spectra.shares_by_duration(e, "levels")
    own = shares[shares["layer"] == BLOCK].set_index("duration")["share"]
    assert own.index.tolist() == ["2 h", "4 h", "8 h", "16 h", "32 h", "64 h", "64 h or longer"]
    assert own.idxmax() == piece
    assert own[piece] > 0.45
    assert own.sum() == pytest.approx(1)
    assert f"Energy by length of the pieces that {BLOCK} is made of: {piece} (" in e.summary()
    assert set(e.to_frame("levels", layer=BLOCK)["level_duration"]) == set(own.index)


@pytest.mark.parametrize(("period", "band"), [(3, "2 to 4 h"), (6, "4 to 8 h"), (24, "16 to 32 h"), (48, "32 to 64 h")])
@pytest.mark.parametrize("order", [1, 4])
def test_the_periods_that_a_wavelet_block_hands_on_are_those_of_the_series(period, band, order):
    e = explain(wavelet_model(daily_wave(period=period), order, coarsest=1))
    found = findings.periods(e)
    assert found[found["layer"] == BLOCK]["period"].iloc[0] == period
    bands = spectra.period_bands(e)
    own = bands[bands["layer"] == BLOCK].set_index("periods")["share"]
    assert own.idxmax() == band
    assert own[band] > 0.8
    assert f"{BLOCK}: {duration(period, e.freq)} (" in e.summary()
    assert f"; periods of {band} carry {own[band]:.0%}" in e.summary()


def test_the_average_that_makes_the_trend_is_named():
    series = daily_wave()
    model = FEDformerModel(96, 24, kernel_sizes=(6, 24, 72), **PLAIN).fit(series)
    with torch.no_grad():
        for part in model.model.forecaster.network.modules():
            if isinstance(part, MixtureDecomposition):
                part.mix.weight.zero_()
                part.mix.bias.copy_(torch.tensor([0.0, 5.0, 1.0]))
    e = explain(model, kinds=["experts"])
    assert len(e.parts["experts"]) == 8
    share = np.exp(5) / (1 + np.exp(5) + np.e)
    for path, part in e.parts["experts"].items():
        assert part["kernel_duration"].to_numpy().tolist() == ["6 h", "24 h", "3 days"]
        np.testing.assert_allclose(part["weights"].sel(kernel=24), share, rtol=1e-5)
        expected = range(-47, 25) if "decoder_layers" in path else range(-95, 1)
        assert part["time"].to_numpy().tolist() == list(expected)
    assert "Trends are mixed of moving averages over 24 h (98%), 3 days (1.8%), 6 h (0.66%)" in e.summary()


def test_attention_between_modes_is_labelled_by_periods():
    model = FEDformerModel(96, 24, modes=48, mode_select="lowest", **PLAIN).fit(daily_wave())
    e = explain(model, kinds=["mode_attention"])
    ((_, part),) = e.parts["mode_attention"].items()
    assert part["weights"].dims == ("window", "head", "query", "key")
    assert part["query_duration"].to_numpy()[:4].tolist() == ["mean", "3 days", "36 h", "24 h"]
    assert part["key_duration"].to_numpy()[[0, 1, 4]].tolist() == ["mean", "4 days", "24 h"]
    pairs = spectra.mode_pairs(e)
    assert pairs["share"].sum() == pytest.approx(1)
    assert pairs["share"].is_monotonic_decreasing
    strongest = part["weights"].mean(["window", "head"]).to_numpy()
    query, key = np.unravel_index(strongest.argmax(), strongest.shape)
    assert pairs["query"].iloc[0] == part["query"].to_numpy()[query]
    assert pairs["key"].iloc[0] == part["key"].to_numpy()[key]
    best = pairs.iloc[0]
    assert f"attend most from periods of {best['query_duration']} to {best['key_duration']}" in e.summary()


@pytest.mark.parametrize("mix", [False, True])
def test_a_map_from_before_heads_and_steps_changed_places_says_so(mix):
    model = InformerModel(L, H, d_model=4, n_heads=2, mix=mix, **PLAIN).fit(with_event(37))
    e = explain(model)
    mixed = [path for path, weights in e.maps.items() if weights.attrs["mixed"]]
    assert mixed == (["decoder_layers.0.self_attention"] if mix else [])
    assert ("change places after attention (mix=True)" in e.summary()) == mix
    title = e.plot("attention", layer="decoder_layers.0.self_attention")._suptitle.get_text()
    assert ("as it was before heads and steps changed places" in title) == mix


def test_the_variable_that_drives_the_target_is_weighed_most():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 3)).astype(np.float32)
    covariates = TimeSeries(pd.date_range("2021-03-01", periods=400, freq="h"), values, components=["a", "b", "c"])
    series = covariates["b"].with_columns_renamed("b", "y")[:360] * 2
    model = TemporalFusionTransformerModel(
        12, 4, d_model=8, n_heads=2, n_epochs=8, batch_size=16, dropout=0.0, optimizer_kwargs={"lr": 5e-3},
        random_state=0, pl_trainer_kwargs=TRAINER,
    )  # fmt: skip
    model.fit(series, future_covariates=covariates)
    importance = findings.variable_importance(explain(model, series, future_covariates=covariates))
    ahead = importance[importance["layer"] == "future_selection"].sort_values("share", ascending=False)
    assert ahead["variable"].tolist()[0] == "b"
    assert ahead["share"].tolist()[0] > 0.5


def autoregressive(period: int, length: int, radius: float = 0.98) -> TimeSeries:
    """Draw a process of order 2 that swings with a period."""
    noise, values = np.random.default_rng(0).normal(size=length + 100), np.zeros(length + 100)
    for t in range(2, len(values)):
        values[t] = 2 * radius * np.cos(2 * np.pi / period) * values[t - 1] - radius**2 * values[t - 2] + noise[t]
    times = pd.date_range("2021-03-01", periods=length, freq="h")
    return TimeSeries(times, values[100:].astype(np.float32), components=["y"])


@pytest.mark.parametrize("period", [5, 11, 13])
def test_the_period_of_a_process_that_the_decoder_holds_is_named(period):
    series = autoregressive(period, 60)
    model = SpaceTimeModel(L, H, d_model=8, d_state=7, **PLAIN).fit(series)
    ssm = model.model.forecaster.network.decoder.ssm
    coefficients = torch.zeros(8, 7)
    coefficients[:, 0], coefficients[:, 1] = 2 * 0.98 * np.cos(2 * np.pi / period), -(0.98**2)
    latest = torch.eye(7)[:1].expand(8, -1)
    ssm.norm_order = 0
    ssm.load_state_dict({"a": torch.zeros(8, 7), "b": latest, "c": coefficients, "k": coefficients})
    e = explain(model, series)
    (found,) = findings.periods(e).itertuples(index=False)
    assert (found.layer, found.period) == ("decoder", period)
    assert found.strength == pytest.approx(1)
    assert f"Periods by mode weight in decoder: {period} h (100%)" in e.summary()


def test_a_trained_model_has_waves_about_the_period_of_an_autoregressive_process():
    series = autoregressive(11, 400)
    model = SpaceTimeModel(
        33, 11, d_model=8, d_state=4, dropout=0.0, n_epochs=6, batch_size=32, optimizer_kwargs={"lr": 2e-2},
        random_state=0, pl_trainer_kwargs=TRAINER,
    )  # fmt: skip
    e = explain(model.fit(series), series, start=300, stride=11)
    found = findings.periods(e)
    assert 10 <= found["period"].iloc[0] <= 12
    near = found[found["period"].between(8, 15)]
    assert near["strength"].sum() > 0.6
    assert (near["period"] * near["strength"]).sum() / near["strength"].sum() == pytest.approx(11, abs=1)
