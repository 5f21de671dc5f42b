"""A model as an ONNX file forecasts what it forecast before: with any covariates, gaps, batch sizes and likelihood."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from darts import TimeSeries
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput
from darts.utils.likelihood_models.torch import (
    GaussianLikelihood,
    QuantileRegression,
    TorchLikelihood,
    WeibullLikelihood,
)
from darts.utils.onnx import run_onnx_prediction

from darts_tsformers.attention import Attention, AutoCorrelation, ProbSparseAttention
from darts_tsformers.models import InformerModel, TSFormerModel
from tests.contracts.cases import CASE, CASES, KINDS, SHARED, Case, Data, every_forecast, make_data
from tests.helpers import draw

L, H = 5, 2
CLOSE = 1e-5
SMALLER = {
    **dict.fromkeys(("n_encoder_layers", "n_decoder_layers", "n_lstm_layers", "n_layers", "n_blocks"), 1),
    "n_coarse_levels": 2,
    "patch_length": 3,
    "stride": 3,
    "kernel_sizes": (3,),
}
NAMES = ("past_target", "past_covariates", "historic_future_covariates", "future_covariates", "static_covariates")


def small(case: Case, **overrides: Any) -> TSFormerModel:
    """Return a model of as few operations as can be: they are what an export takes its time for."""
    arguments = {name: value for name, value in SMALLER.items() if case.takes(name)} | overrides
    return case.model(L, H, **arguments)


def session_of(model: TSFormerModel, folder: Path, **options: Any) -> onnxruntime.InferenceSession:
    path = folder / "model.onnx"
    model.to_onnx(path, **options)
    return onnxruntime.InferenceSession(path.read_bytes())


def spec_of(session: onnxruntime.InferenceSession) -> dict[str, Any]:
    return json.loads(session.get_modelmeta().custom_metadata_map["darts.onnx_spec"])


def windows(session: onnxruntime.InferenceSession, n: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {one.name: rng.normal(size=(n, *one.shape[1:])).astype("float32") for one in session.get_inputs()}


def forward(model: TSFormerModel, inputs: dict[str, np.ndarray]) -> np.ndarray:
    tensors = {name: torch.from_numpy(inputs[name]) if name in inputs else None for name in NAMES}
    with torch.no_grad():
        return model.model.eval()(PLModuleInput(**tensors, stage=ModuleStage.PREDICT)).prediction.numpy()


def assert_close(session: onnxruntime.InferenceSession, model: TSFormerModel, inputs: dict[str, np.ndarray]) -> None:
    (got,) = session.run(None, inputs)
    np.testing.assert_allclose(got, forward(model, inputs), rtol=CLOSE, atol=CLOSE)


def kinds_of(case: Case) -> tuple[str, ...]:
    """Return all covariates of some models, and of the others those that reach over look-back and horizon."""
    return KINDS if case in SHARED or os.environ.get("ALL_FORMS") else ("future",)


@every_forecast
def test_with_covariates_it_equals_the_model(case: Case, tmp_path: Path):
    data = make_data(3, kinds_of(case))
    model = small(case, min_input_chunk_length=2).fit(data.series, **data.covariates())
    session = session_of(model, tmp_path)
    n = 2 * H + 1
    got = run_onnx_prediction(n, session, data.series, verbose=False, **data.covariates())
    expected = model.predict(n, data.series, **data.covariates())
    assert isinstance(got, TimeSeries)
    assert got.time_index.equals(expected.time_index)
    np.testing.assert_allclose(got.values(), expected.values(), rtol=CLOSE, atol=CLOSE)
    for size in (1, 2, 5):
        inputs = windows(session, size, seed=size)
        assert_close(session, model, inputs)
        for name in inputs.keys() - {"static_covariates"}:  # gaps everywhere, and a history of two steps
            inputs[name][:, 1::3] = np.nan
        inputs["past_target"][-1, : L - 2] = np.nan
        assert_close(session, model, inputs)
        assert np.isfinite(session.run(None, inputs)[0]).all()


def test_without_covariates_it_equals_the_model(tmp_path: Path):
    model, data = small(CASE["TemporalFusionTransformerModel"]), make_data(2, ())
    session = session_of(model.fit(data.series), tmp_path)
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("past_target", ["batch", L, 2])]
    assert [(one.name, one.shape) for one in session.get_outputs()] == [("prediction", ["batch", H, 2, 1])]
    got = run_onnx_prediction(H + 1, session, data.series, verbose=False)
    np.testing.assert_allclose(got.values(), model.predict(H + 1).values(), rtol=CLOSE, atol=CLOSE)
    assert_close(session, model, windows(session, 5))


AUTOREGRESSIVE = next(case for case in CASES if case.name == "LogSparseTransformerModel")


@pytest.mark.parametrize(
    ("case", "likelihood"),
    [
        (AUTOREGRESSIVE, GaussianLikelihood()),
        (CASE["PatchTSTModel"], QuantileRegression([0.1, 0.5, 0.9])),
    ],
    ids=lambda one: one.name if isinstance(one, Case) else type(one).__name__,
)
def test_of_a_likelihood_it_gives_the_parameters(case: Case, likelihood: TorchLikelihood, tmp_path: Path):
    data = make_data(2, ())
    positive = Data(data.series.map(abs))
    model = small(case, likelihood=likelihood).fit(positive.series)
    session = session_of(model, tmp_path)
    inputs = {name: np.abs(values) for name, values in windows(session, 3).items()}
    assert_close(session, model, inputs)
    (raw,) = session.run(None, inputs)
    assert raw.shape == (3, H, 2, likelihood.num_parameters)
    assert spec_of(session)["likelihood_parameter_names"] == likelihood.parameter_names


def test_a_likelihood_whose_mean_has_no_operator_is_refused_where_the_network_feeds_on_it(tmp_path: Path):
    positive = make_data(1, ()).series.map(abs)
    forms = (CASE["LogSparseTransformerModel"], CASE["LogSparseTransformerModel-direct"])
    reading_on, at_once = (small(case, likelihood=WeibullLikelihood()).fit(positive) for case in forms)
    rule = (
        r"likelihood=WeibullLikelihood\(.*\) must be another one for to_onnx with a network that reads on step by step"
    )
    (tmp_path / "model.onnx").write_bytes(b"before")
    with pytest.raises(ValueError, match=rule):
        reading_on.to_onnx(tmp_path / "model.onnx")
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"before"
    session = session_of(at_once, tmp_path)
    assert_close(session, at_once, {name: np.abs(values) for name, values in windows(session, 3).items()})


OPTIONS: list[tuple[Case, dict[str, Any]]] = [
    (CASE["PatchTSTModel"], {"use_reversible_instance_norm": True, "use_instance_norm": False}),
    (CASE["ITransformerModel"], {"output_chunk_shift": 2}),
    (CASE["InformerModel"], {"attention": "auto_correlation", "instance_norm_affine": True}),
    (
        CASE["LogSparseTransformerModel-direct"],
        {"attention": ("log_sparse", {"pattern": "local+restart", "sub_length": 3})},
    ),
]


@pytest.mark.parametrize(
    ("case", "options"), OPTIONS, ids=lambda one: one.name if isinstance(one, Case) else "-".join(one)
)
def test_what_can_be_chosen_is_exported_too(case: Case, options: dict[str, Any], tmp_path: Path):
    data = make_data(2, ("future",) if "output_chunk_shift" in options else ())
    model = small(case, **options).fit(data.series, **data.covariates())
    session = session_of(model, tmp_path)
    inputs = windows(session, 5)
    assert_close(session, model, inputs)
    inputs["past_target"][:, 2] = np.nan
    assert_close(session, model, inputs)
    assert spec_of(session)["output_chunk_shift"] == options.get("output_chunk_shift", 0)


@pytest.mark.parametrize("attention", [AutoCorrelation(factor=2), ProbSparseAttention(factor=2)], ids=type)
def test_of_equal_queries_it_chooses_those_that_the_model_chooses(attention: Attention, tmp_path: Path):
    class Output(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = attention

        def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return self.attention(q, k, v)[0]

    module = Output().eval()
    q, k, v = (draw(150, 2, 29, 5, seed=seed) for seed in range(3))
    inputs = {"q": q[:, :, :1].expand_as(q).contiguous(), "k": k, "v": v}
    torch.onnx.export(module, tuple(inputs.values()), tmp_path / "a.onnx", input_names=[*inputs], dynamo=True)
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    (got,) = session.run(None, {name: t.numpy() for name, t in inputs.items()})
    np.testing.assert_allclose(got, module(**inputs).numpy(), rtol=CLOSE, atol=CLOSE)


TORCH_FREE = """
import sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
window = {one.name: np.ones((2, *one.shape[1:]), "float32") for one in session.get_inputs()}
print(*session.run(None, window)[0].shape)
from darts.utils.onnx import run_onnx_prediction
from darts import TimeSeries
print(run_onnx_prediction(4, session, TimeSeries.from_values(np.ones((9, 1), "float32")), verbose=False).values().shape)
print(sorted({"torch", "pytorch_lightning", "darts_tsformers"} & set(sys.modules)))
"""


def test_a_process_without_pytorch_forecasts(tmp_path: Path):
    data = make_data(1, ())
    small(CASE["PatchTSTModel"]).fit(data.series).to_onnx(tmp_path / "model.onnx")
    command = [sys.executable, "-c", TORCH_FREE, str(tmp_path / "model.onnx")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"2 {H} 1 1", "(4, 1)", "[]"]


@cache
def tiny() -> TSFormerModel:
    return small(CASE["ITransformerModel"]).fit(make_data(1, ()).series)


def test_the_model_stays_as_it_was(tmp_path: Path):
    model = tiny()
    model.model.train()
    model.model.forecaster.network.eval()
    modes = [part.training for part in model.model.modules()]
    torch.manual_seed(3)
    state = torch.get_rng_state()
    model.to_onnx(str(tmp_path / "a.onnx"))
    assert [part.training for part in model.model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert [one.name for one in tmp_path.iterdir()] == ["a.onnx"]
    assert b"/tests/" not in (tmp_path / "a.onnx").read_bytes()
    assert str(Path(torch.__file__).parent).encode() not in (tmp_path / "a.onnx").read_bytes()


def test_an_export_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "kept.onnx").write_bytes(b"before")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        tiny().to_onnx(tmp_path / "kept.onnx")
    with pytest.raises(TypeError, match="dynamo"):
        tiny().to_onnx(tmp_path / "other.onnx", dynamo=False)
    assert [one.name for one in tmp_path.iterdir()] == ["kept.onnx"]
    assert (tmp_path / "kept.onnx").read_bytes() == b"before"


def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="InformerModel must be fitted"):
        InformerModel(L, H).to_onnx(tmp_path / "model.onnx")
    for path in (tmp_path, tmp_path / "nowhere" / "model.onnx"):
        with pytest.raises(ValueError, match=r"path='.*' must be a file in a folder that exists"):
            tiny().to_onnx(path)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name))
    with pytest.raises(ImportError, match=r"to_onnx needs onnxscript: pip install darts_tsformers\[onnx\]"):
        tiny().to_onnx(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


PRECISIONS = {
    "float64": ({}, "float64", "double", 1e-4),
    "bf16": ({"pl_trainer_kwargs": {"precision": "bf16-true"}}, "float32", "float", 0.1),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", [CASE["InformerModel"]], ids=lambda case: case.name)
def test_a_model_of_another_precision_gives_a_file_of_single_precision(case: Case, precision: str, tmp_path: Path):
    arguments, dtype, of_inputs, close = PRECISIONS[precision]
    data = make_data(2, ("future",), dtype=dtype)
    model = small(case, min_input_chunk_length=2, **arguments).fit(data.series, **data.covariates())
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    session = session_of(model, tmp_path)
    assert {one.type for one in (*session.get_inputs(), *session.get_outputs())} == {f"tensor({of_inputs})"}
    got = run_onnx_prediction(H, session, data.series, verbose=False, **data.covariates())
    expected = model.predict(H, data.series, **data.covariates())
    np.testing.assert_allclose(got.values(), expected.values(), atol=close, rtol=close)
    inputs = {name: value.astype(dtype) for name, value in windows(session, 5).items()}
    inputs["past_target"][:, 1::3] = np.nan
    assert np.isfinite(session.run(None, inputs)[0]).all()
    after = model.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert model.model.dtype == next(iter(model.model.parameters())).dtype
