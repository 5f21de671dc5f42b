"""Run and fold ONNX files."""

import gzip
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx
    import onnxruntime

DEFLATED = ".gz"
_ONLY_ERRORS = 3


def load_session(path: str | PathLike[str]) -> "onnxruntime.InferenceSession":
    """Load an ONNX file, deflated (``.gz``) or not, to run it on the CPU.

    Parameters
    ----------
    path
        What :func:`compress` or ``to_onnx`` has written.

    Raises
    ------
    ValueError
        If there is no such file.

    Examples
    --------
    >>> from darts_tsformers.compression import load_session
    >>> session = load_session("model.onnx.gz")  # doctest: +SKIP
    >>> try:
    ...     load_session("absent.onnx")
    ... except ValueError as error:
    ...     print(error)
    path='absent.onnx' must be a file
    """
    import onnxruntime

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"path={str(path)!r} must be a file")
    content = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONLY_ERRORS
    content = gzip.decompress(content) if path.suffix == DEFLATED else content
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def folded(path: Path) -> "onnx.ModelProto":
    """Read a file and compute what is constant in it, such as transposed weights; leave out names of operators."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONLY_ERRORS
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        model = onnx.load(options.optimized_model_filepath)
    del model.graph.value_info[:]
    return model
