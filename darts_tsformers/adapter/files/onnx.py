"""A fitted model as an ONNX file, whose batches may have any size."""

import importlib.util
import json
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from darts.utils.likelihood_models.base import LikelihoodType
from torch import Tensor
from torch.distributions import Distribution

from darts_tsformers.adapter.files.single_precision import InSinglePrecision, in_single_precision
from darts_tsformers.adapter.files.whole_files import whole_file
from darts_tsformers.adapter.forecasting.evaluation import in_evaluation
from darts_tsformers.adapter.module import TSFormerModule

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""Else importing onnxruntime writes a device identifier and a queue of events under the home directory."""
PACKAGES = ("onnx", "onnxscript")
NO_EXPECTED_VALUE = (LikelihoodType.Weibull,)
"""Families of likelihoods whose mean no operator of ONNX can compute."""


def export_onnx(module: TSFormerModule, path: Path, **kwargs: Any) -> None:
    """Write a module, with what Darts' ``run_onnx_prediction`` has to know of it, to a file.

    The file is there when it is complete, and not before. The module is left as it was. The file computes in single
    precision, for no provider of onnxruntime has all operators in another: one of a module in double precision takes
    and gives doubles all the same, one of half precision floats.

    Raises
    ------
    ImportError
        If the packages that write ONNX are missing.
    ValueError
        If there is no folder to write to, or ONNX has no operator for what the module feeds on.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"to_onnx needs {' and '.join(missing)}: pip install darts_tsformers[onnx]")
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"path={str(path)!r} must be a file in a folder that exists")
    _require_operators(module)
    content = _as_onnx(module, **kwargs)
    with whole_file(path) as part:
        part.write_bytes(content)


def _require_operators(module: TSFormerModule) -> None:
    if module.forecaster.network.draws_paths:
        raise ValueError(f"to_onnx cannot write {module.forecaster.network.name}: it draws paths, by a seed")
    if module.forecaster.network.feeds_on_itself and getattr(module.likelihood, "type", None) in NO_EXPECTED_VALUE:
        raise ValueError(
            f"likelihood={module.likelihood!r} must be another one for to_onnx with a network that reads on step by "
            "step: its mean takes the gamma function, which ONNX does not have; or forecast with mode='direct'"
        )


def _as_onnx(module: TSFormerModule, **kwargs: Any) -> bytes:
    from darts.utils.onnx.export import ONNX_SPEC_METADATA_KEY, _onnx_dummy_input
    from onnx import helper

    of_data = torch.float64 if module.dtype == torch.float64 else torch.float32
    with (
        in_evaluation(module),
        in_single_precision(module),
        _exportable(),
        torch.no_grad(),
        torch.random.fork_rng(devices=[]),
    ):
        bundle = module._onnx_wrapper(_onnx_dummy_input(module))
        batch = {0: torch.export.Dim("batch", min=1, max=2**30)}
        program = torch.export.export(
            bundle.wrapper if of_data == torch.float32 else InSinglePrecision(bundle.wrapper, of_data),
            tuple(_two_of(one).to(of_data) for one in bundle.example_inputs),
            dynamic_shapes=((batch,) * len(bundle.example_inputs),),
            strict=False,
        )
        options: dict[str, Any] = {"verbose": False, "optimize": False} | kwargs
        written: Any = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=bundle.input_names,
            output_names=bundle.output_names,
            external_data=False,
            **options,
        )
    proto = written.model_proto
    _name_batch_axis(proto)
    for node in [*proto.graph.node, *(node for function in proto.functions for node in function.node)]:
        node.ClearField("metadata_props")  # where in whose source code it comes from: most of the file
    helper.set_model_props(proto, {ONNX_SPEC_METADATA_KEY: json.dumps(asdict(bundle.spec), separators=(",", ":"))})
    content: bytes = proto.SerializeToString()
    return content


def _two_of(sample: Tensor) -> Tensor:
    """Return a batch of two: from a batch of one, the exporter would take the size for a constant."""
    return torch.cat([sample, sample])


def _name_batch_axis(proto: Any) -> None:
    """Call the size of a batch so in all shapes of the file, where the exporter has a symbol of its own."""
    symbol = re.escape(proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param)
    for value in [*proto.graph.input, *proto.graph.value_info, *proto.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:  # a symbol, or an expression with some
                dim.dim_param = re.sub(rf"\b{symbol}\b", "batch", dim.dim_param)


@contextmanager
def _exportable() -> Iterator[None]:
    """Keep distributions from looking at parameters, which have no values yet, and torch from speaking of itself."""
    validates = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The tensor attributes .* were assigned during export", UserWarning)
            warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec", FutureWarning)
            yield
    finally:
        Distribution.set_default_validate_args(validates)
