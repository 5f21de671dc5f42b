"""A compressed file is smaller, runs, and forecasts almost what the model forecasts."""

import gzip

import numpy as np
import onnx
import pytest
from darts import TimeSeries
from darts.utils.onnx import run_onnx_prediction

from darts_tsformers import ITransformerModel
from darts_tsformers.compression import compress, load_session
from darts_tsformers.compression.weights import matrices

L, H = 23, 5
QUIET = {"enable_progress_bar": False, "enable_model_summary": False}


@pytest.fixture(scope="module")
def series():
    noise = np.random.default_rng(0).normal(size=151) / 9
    return TimeSeries.from_values((np.sin(np.arange(151) / 4) + noise).astype("float32"))


@pytest.fixture(scope="module")
def model(series):
    sizes = {"d_model": 64, "n_heads": 2, "n_encoder_layers": 1, "d_ff": 128}
    model = ITransformerModel(L, H, n_epochs=3, random_state=0, pl_trainer_kwargs=QUIET, **sizes)
    return model.fit(series, verbose=False)


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    model.to_onnx(path)
    return path


def read(path):
    content = path.read_bytes()
    return onnx.load_from_string(gzip.decompress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("method", ["int8", "static"])
def test_weights_of_8_bits_forecast_almost_the_same(model, file, series, tmp_path, method):
    small = compress(file, tmp_path / "small.onnx", method, series=series)
    got = run_onnx_prediction(H, load_session(small.path), series, verbose=False)
    expected = model.predict(H, verbose=False)
    assert small.n_bytes == small.path.stat().st_size < small.n_bytes_before / 2
    assert matrices(read(small.path)) == []
    assert not read(small.path).graph.value_info  # wrong shapes there break files with sequences, such as S-Mamba's
    np.testing.assert_allclose(got.values(), expected.values(), atol=0.05)
    assert not np.array_equal(got.values(), expected.values())


def test_all_steps_together_make_the_smallest_file(file, tmp_path):
    steps = ["deflate", "int8", "cluster", "prune"]
    small = compress(file, tmp_path / "small.onnx.gz", steps, share=0.7, n_values=3)
    assert small.methods == ("prune", "cluster", "int8", "deflate")
    assert small.ratio > 8
    session = load_session(small.path)
    assert session.run(None, {"past_target": np.ones((2, L, 1), "float32")})[0].shape == (2, H, 1, 1)


def test_pruning_zeroes_a_share_of_each_matrix(file, tmp_path):
    found = matrices(read(compress(file, tmp_path / "small.onnx", "prune", share=0.25).path))
    assert len(found) == 6
    for tensor in found:
        weights = onnx.numpy_helper.to_array(tensor)
        assert (weights == 0).mean() == pytest.approx(0.25, abs=0.01)


def test_clustering_leaves_few_values_and_zeros(file, tmp_path):
    found = matrices(read(compress(file, tmp_path / "small.onnx", ["prune", "cluster"], n_values=5).path))
    assert found
    for tensor in found:
        weights = onnx.numpy_helper.to_array(tensor)
        assert len(np.unique(weights[weights != 0])) == 5
        assert (weights == 0).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "int4"}, "method='int4' must be one of prune, cluster, int8, static, deflate, or several"),
        ({"method": ["int8", "static"]}, "must have one of int8 and static, not both"),
        ({"method": ["int8", "deflate"]}, r"small.onnx' must end in .onnx.gz for method int8, deflate"),
        ({"path": "absent/small.onnx"}, "must be a file in a folder that exists"),
        ({"method": "prune", "share": 1.0}, r"share=1.0 must be in \[0, 1\)"),
        ({"method": "cluster", "n_values": 1}, "n_values=1 must be an integer of at least 2"),
        ({"method": "static"}, "method='static' needs series"),
        ({"model": "absent.onnx"}, "model='absent.onnx' must be a fitted model, or an ONNX file"),
    ],
)
def test_a_mistake_is_an_error_that_names_it(file, tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        compress(**{"model": file, "path": tmp_path / "small.onnx"} | changed)
    assert list(tmp_path.iterdir()) == []


def test_a_series_without_a_window_cannot_calibrate(file, series, tmp_path):
    with pytest.raises(ValueError, match="series must have at least the 23 steps of a window, not 19"):
        compress(file, tmp_path / "small.onnx", "static", series=series[:19])
