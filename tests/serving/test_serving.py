"""A server forecasts as its forecaster does, refuses with the name of the field, and counts what comes back."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import numpy as np
import pytest
import uvicorn
from darts import TimeSeries
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression

from darts_tsformers import ITransformerModel
from darts_tsformers.cli import main
from darts_tsformers.explain import explain, model_health
from darts_tsformers.serving import Limits, forecasters, make_app
from darts_tsformers.serving.attending import attention_entropies
from darts_tsformers.serving.batching import Batches
from darts_tsformers.serving.remembering import Memory
from darts_tsformers.serving.serve import read
from darts_tsformers.workflow import DataError

L, H = 11, 3
LIMITS = Limits(max_bytes=60_000, max_series=7, max_steps=400, max_batch=4)
TINY = {"d_model": 6, "n_heads": 2, "n_encoder_layers": 1, "d_ff": 5, "n_epochs": 1, "random_state": 0}
QUIET = {"pl_trainer_kwargs": {"enable_progress_bar": False, "enable_model_summary": False}}


def wave(n=61, seed=0):
    noise = np.random.default_rng(seed).normal(size=(n, 2)) / 5
    values = np.sin(np.arange(n) / 3)[:, None] + noise
    return TimeSeries.from_values(values.astype("float32"), columns=["sales", "returns"])


def known(n=61 + H):
    return TimeSeries.from_values(np.cos(np.arange(n) / 5).astype("float32"), columns=["price"])


@pytest.fixture(scope="module")
def model():
    likelihood = QuantileRegression([0.1, 0.5, 0.9])
    model = ITransformerModel(L, H, min_input_chunk_length=5, likelihood=likelihood, **TINY, **QUIET)
    return model.fit(wave(), past_covariates=known(61), future_covariates=known(), verbose=False)


@pytest.fixture(scope="module")
def client(model):
    """Serve in a thread on a free port, and stop at the end as a signal would."""
    server = uvicorn.Server(uvicorn.Config(make_app(model, LIMITS), log_level="error", lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=60) as client:
            yield client
        server.should_exit = True
        thread.join()


def columns(series):
    return {name: series[name].values().ravel().tolist() for name in series.components}


def asked(n=61, seed=0, **changes):
    known_values = columns(known(n + H))
    series = {"values": columns(wave(n, seed)), "past_covariates": known_values, "future_covariates": known_values}
    return series | changes


def expected(model, n, seed=0):
    covariates = {"past_covariates": known(n), "future_covariates": known(n + H)}
    return model.predict(H, wave(n, seed), **covariates, predict_likelihood_parameters=True, verbose=False)


def test_it_is_healthy_and_says_what_it_needs(client):
    assert client.get("/health").status_code == 200
    info = client.get("/info").json()
    assert (info["model"], info["lookback"], info["shortest"], info["horizon"]) == ("ITransformerModel", L, 5, H)
    assert (info["targets"], info["future_covariates"]) == (["sales", "returns"], ["price"])
    assert "Series" in client.get("/openapi.json").json()["components"]["schemas"]


@pytest.mark.parametrize("n", [61, 7], ids=["long", "shorter than the look-back"])
def test_it_forecasts_as_the_model_does(client, model, n):
    request = {"series": [asked(n, id="north", start=100), asked(n, seed=1)]}
    answer = client.post("/predict", json=request).json()
    for found, seed in zip(answer["forecasts"], (0, 1), strict=True):
        quantiles = expected(model, n, seed).values().reshape(H, 2, 3)
        for k, name in enumerate(("sales", "returns")):
            np.testing.assert_allclose(found["point"][name], quantiles[:, k, 1], atol=1e-5)
            np.testing.assert_allclose(found["quantiles"]["0.9"][name], quantiles[:, k].max(axis=1), atol=1e-5)
    assert (answer["forecasts"][0]["id"], answer["forecasts"][0]["start"]) == ("north", 100 + n)


def test_a_gap_is_null_and_a_shorter_horizon_is_the_beginning(client, model):
    values = columns(wave())
    values["sales"][-2] = None
    answer = client.post("/predict", json={"series": [asked(values=values)], "horizon": 2}).json()["forecasts"][0]
    gappy = wave().values().copy()
    gappy[-2, 0] = np.nan
    series = TimeSeries.from_values(gappy, columns=["sales", "returns"])
    covariates = {"past_covariates": known(61), "future_covariates": known()}
    found = model.predict(H, series, **covariates, predict_likelihood_parameters=True, verbose=False)
    np.testing.assert_allclose(answer["point"]["sales"], found.values()[:2, 1], atol=1e-5)


def test_many_clients_get_their_own_forecasts(client, model):
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda seed: client.post("/predict", json={"series": [asked(seed=seed)]}), range(11)))
    for seed, answer in enumerate(answers):
        point = answer.json()["forecasts"][0]["point"]["returns"]
        np.testing.assert_allclose(point, expected(model, 61, seed).values()[:, 4], atol=1e-4)


@pytest.mark.parametrize(
    ("request_", "where", "message"),
    [
        ({"series": []}, ["body", "series"], "at least 1 item"),
        ({"series": [asked()], "horizon": H + 1}, ["body", "horizon"], "4 must be at most 3"),
        ({"series": [asked()], "horizon": 0}, ["body", "horizon"], "greater than or equal to 1"),
        ({"series": [asked()], "steps": 3}, ["body", "steps"], "Extra inputs"),
        ({"series": [asked()] * 8}, ["body", "series"], "8 series are too many: at most 7 at once"),
        (
            {"series": [asked(), asked(values={"sales": [1.0] * 9})]},
            ["body", "series", 1, "values", "returns"],
            "missing",
        ),
        (
            {"series": [asked(past_covariates={"rain": []})]},
            ["body", "series", 0, "past_covariates", "rain"],
            "unknown",
        ),
        ({"series": [asked(n=3)]}, ["body", "series", 0, "values"], "3 steps are too few: the forecaster needs 5"),
        (
            {"series": [asked(future_covariates=columns(known(62)))]},
            ["body", "series", 0, "future_covariates"],
            "62 steps",
        ),
        (
            {"series": [asked(values={"sales": [1.0] * 9, "returns": [2.0]})]},
            ["body", "series", 0, "values"],
            "one length",
        ),
        (
            {"series": [asked(values={"sales": [None] * 9, "returns": [None] * 9})]},
            ["body", "series", 0, "values"],
            "no value",
        ),
        ({"series": [asked(start="soon")]}, ["body", "series", 0, "start"], "valid"),
    ],
)
def test_a_mistake_is_422_and_names_the_field(client, request_, where, message):
    answer = client.post("/predict", json=request_)
    assert answer.status_code == 422
    first = answer.json()["detail"][0]
    assert first["loc"][: len(where)] == where
    assert message in first["msg"]
    assert set(first) == {"loc", "msg", "type"}


def test_what_is_no_json_or_too_long_is_refused(client):
    assert client.post("/predict", content=b"{", headers={"content-type": "application/json"}).status_code == 422
    answer = client.post("/predict", content=b" " * 60_001)
    assert (answer.status_code, answer.json()["detail"]) == (413, "the body must have at most 60000 bytes")
    assert client.post("/predict", json={"series": [asked(n=401)]}).status_code == 422


def test_what_comes_is_scored_once_and_shows_in_the_figures(client):
    forecast = client.post("/predict", json={"series": [asked()]}).json()["forecasts"][0]
    last = {name: values[-1] for name, values in columns(wave()).items()}
    came = {"sales": [forecast["point"]["sales"][0], None], "returns": [last["returns"], last["returns"] + 1]}
    actual = {"forecast_id": forecast["forecast_id"], "values": came}
    score = client.post("/actuals", json={"actuals": [actual]}).json()["scores"][0]
    point = forecast["point"]["returns"]
    errors = [0, abs(point[0] - came["returns"][0]), abs(point[1] - came["returns"][1])]
    assert score["absolute_error"] == pytest.approx(np.mean(errors))
    assert score["naive_absolute_error"] == pytest.approx((abs(came["sales"][0] - last["sales"]) + 1) / 3)
    low, high = forecast["quantiles"]["0.1"], forecast["quantiles"]["0.9"]
    inside = [low["returns"][k] <= came["returns"][k] <= high["returns"][k] for k in range(2)]
    assert score["coverage"] == pytest.approx((1 + sum(inside)) / 3)
    figures = client.get("/metrics").text
    assert 'darts_tsformers_absolute_error_count{target="returns"} 2.0' in figures
    assert 'darts_tsformers_interval_coverage_count{target="sales"} 1.0' in figures
    assert 'darts_tsformers_latency_seconds_bucket{le="0.001",path="/predict"}' in figures
    assert 'darts_tsformers_requests_total{path="/actuals",status="200"} 1.0' in figures
    assert 'darts_tsformers_attention_entropy_count{layer="1"} 1.0' in figures
    again = client.post("/actuals", json={"actuals": [actual]})
    assert again.json()["detail"][0]["loc"] == ["body", "actuals", 0, "forecast_id"]


def test_entropies_of_the_attention_are_those_of_its_health(model):
    n = 17
    covariates = {"past_covariates": known(n), "future_covariates": known(n + H)}
    health = model_health(explain(model, wave(n), **covariates))
    found = attention_entropies(lambda: model.predict(H, wave(n), **covariates, verbose=False))
    np.testing.assert_allclose(found, health.groupby("layer")["entropy"].mean(), rtol=1e-5)


def test_a_defect_is_500_without_a_trace_and_costs_the_others_nothing(client, monkeypatch):
    real = forecasters.forecast_arrays

    def fail(served, windows):
        if np.nanmax(windows["past_target"]) > 999:
            raise ZeroDivisionError("secret")
        return real(served, windows)

    monkeypatch.setattr(forecasters, "forecast_arrays", fail)
    poison = asked(values={"sales": [1e3] * 61, "returns": [1e3] * 61})
    with ThreadPoolExecutor(2) as pool:
        bad = pool.submit(client.post, "/predict", json={"series": [poison]})
        good = pool.submit(client.post, "/predict", json={"series": [asked()]})
    assert good.result().status_code == 200
    assert (bad.result().status_code, bad.result().json()) == (500, {"detail": "internal error"})


def test_batches_end_with_what_waits():
    batches = Batches(lambda items: np.array(items, dtype=float) * 2, Limits(max_batch=3))
    futures = [batches.submit(k) for k in range(7)]
    batches.close()
    assert [future.result() for future in futures] == [0, 2, 4, 6, 8, 10, 12]
    assert not batches.is_alive


def test_the_oldest_forecasts_are_forgotten():
    memory, item = Memory(2), _Item()
    first, second, third = (memory.add(item, np.zeros((H, 1, 1))) for _ in range(3))
    assert memory.get(first) is None
    assert memory.get(second) is not None
    assert memory.get(third).last == 5


class _Item:
    target = np.array([[3.0], [5.0], [np.nan]])


def test_a_model_that_forecasts_otherwise_is_refused():
    gaussian = ITransformerModel(L, H, likelihood=GaussianLikelihood(), **TINY, **QUIET).fit(wave(), verbose=False)
    with pytest.raises(ValueError, match="cannot be served alone: its likelihood is Gaussian"):
        make_app(gaussian)
    with pytest.raises(ValueError, match="cannot be served alone: it is not fitted"):
        make_app(ITransformerModel(L, H))


def test_a_saved_model_is_read(model, tmp_path):
    model.save(str(tmp_path / "model.pt"), clean=True)
    assert read(tmp_path / "model.pt").input_chunk_length == L
    with pytest.raises(DataError, match=r"absent: there is no such folder or file"):
        read(tmp_path / "absent")


def test_a_folder_without_a_forecaster_is_one_line(tmp_path, capsys):
    assert main(["serve", str(tmp_path)]) == 2
    assert "holds no forecaster" in capsys.readouterr().err
