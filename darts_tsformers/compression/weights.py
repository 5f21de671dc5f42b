"""Weights of an ONNX file with zeros in place of the smallest, or with few different values."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.cluster import KMeans

if TYPE_CHECKING:
    import onnx

_FEWEST = 256
"""Smaller matrices, and vectors such as biases and norms, are left as they are: they weigh little and matter much."""


def prune(model: "onnx.ModelProto", share: float) -> None:
    """Set the given share of the weights of each matrix to zero: those nearest to it."""

    def pruned(weights: np.ndarray) -> np.ndarray:
        limit = np.quantile(np.abs(weights), share)
        return np.where(np.abs(weights) < limit, 0, weights)

    _change(model, pruned)


def cluster(model: "onnx.ModelProto", n_values: int) -> None:
    """Let each matrix have so many different weights, chosen by k-means; weights of zero stay."""

    def clustered(weights: np.ndarray) -> np.ndarray:
        found = weights.copy()
        kept = weights[weights != 0][:, None]
        if len(np.unique(kept)) > n_values:
            starts = np.quantile(kept, (np.arange(n_values) + 0.5) / n_values)[:, None]
            means = KMeans(n_values, init=starts, n_init=1, random_state=0).fit(kept)
            found[weights != 0] = means.cluster_centers_[means.labels_, 0]
        return found

    _change(model, clustered)


def _change(model: "onnx.ModelProto", change: Callable[[np.ndarray], np.ndarray]) -> None:
    from onnx import numpy_helper

    for tensor in matrices(model):
        weights = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(change(weights).astype(weights.dtype), tensor.name))


def matrices(model: "onnx.ModelProto") -> list[Any]:
    """Return the weights that are changed: matrices of floats with at least 256 entries."""
    from onnx import TensorProto

    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1 and np.prod(tensor.dims) >= _FEWEST
    ]
