"""Weights of 8 bits in an ONNX file, and products of them, by onnxruntime."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from darts_tsformers.compression.weights import matrices

if TYPE_CHECKING:
    import onnx


def quantised(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Round weights to 8 bits; what they are multiplied with is rounded as it comes."""
    from onnxruntime.quantization import quantize_dynamic

    return _written(lambda path: quantize_dynamic(_ready(model), path))


def quantised_for(model: "onnx.ModelProto", windows: Iterable[Mapping[str, np.ndarray]]) -> "onnx.ModelProto":
    """Round weights to 8 bits, and what they are multiplied with by the range that it has on some windows."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    def write(path: Path) -> None:
        quantize_static(
            _ready(model),
            path,
            Windows(windows),
            quant_format=QuantFormat.QOperator,
            nodes_to_quantize=_products_with_weights(model),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )

    return _written(write)


class Windows:
    """What onnxruntime asks for one window after the other."""

    def __init__(self, windows: Iterable[Mapping[str, np.ndarray]]) -> None:
        self._rest: Iterator[Mapping[str, np.ndarray]] = iter(windows)

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        """Return the next window, or None after the last."""
        return next(self._rest, None)


def _products_with_weights(model: "onnx.ModelProto") -> list[str]:
    """Return the names of the products of what comes and a matrix of weights."""
    weights = {tensor.name for tensor in matrices(model)}
    return [node.name for node in model.graph.node if node.op_type in {"MatMul", "Gemm"} and weights & set(node.input)]


def _ready(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Say that the graph is folded: else onnxruntime asks for it in the log."""
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    add_pre_process_metadata(model)
    return model


def _written(write: Any) -> "onnx.ModelProto":
    import onnx

    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write(path)
        model = onnx.load(path)
    del model.graph.value_info[:]  # shapes that onnxruntime infers for sequences are wrong, and it runs by them
    return model
