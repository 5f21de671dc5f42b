"""Write a fitted model as a small ONNX file."""

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from darts import TimeSeries

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.files.whole_files import whole_file
from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.compression.quantising import quantised, quantised_for
from darts_tsformers.compression.session import DEFLATED, folded, load_session
from darts_tsformers.compression.weights import cluster, prune

if TYPE_CHECKING:
    import onnx

METHODS = ("prune", "cluster", "int8", "static", "deflate")
"""What can be done to a file, in the order in which it is done."""

_MOST_WINDOWS = 64


@dataclass(frozen=True)
class Compressed:
    """A file that was written.

    Attributes
    ----------
    path
        Where it is.
    methods
        What was done.
    n_bytes, n_bytes_before
        Its size, and that of the file of ``to_onnx``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from darts_tsformers.compression import Compressed
    >>> print(Compressed(Path("model.onnx"), ("int8",), n_bytes=250_000, n_bytes_before=1_000_000))
    model.onnx: 250 kB, 4.0 times smaller (int8)
    """

    path: Path
    methods: tuple[str, ...]
    n_bytes: int
    n_bytes_before: int

    @property
    def ratio(self) -> float:
        """How many times smaller the file is."""
        return self.n_bytes_before / self.n_bytes

    def __str__(self) -> str:
        size = f"{self.n_bytes / 1000:,.0f} kB, {self.ratio:.1f} times smaller"
        return f"{self.path}: {size} ({', '.join(self.methods)})"


def compress(
    model: TSFormerModel | str | PathLike[str],
    path: str | PathLike[str],
    method: str | Sequence[str] = "int8",
    *,
    series: TimeSeries | None = None,
    past_covariates: TimeSeries | None = None,
    future_covariates: TimeSeries | None = None,
    share: float = 0.5,
    n_values: int = 16,
) -> Compressed:
    """Write a fitted model, or what ``to_onnx`` made of it, as an ONNX file that takes less room.

    The forecasts are no longer quite the same: backtest the file before you use it. The model is left as it was, and
    nothing is trained.

    Parameters
    ----------
    model
        A fitted model of this package that ``to_onnx`` can write, or the path of a file that it wrote.
    path
        Where to; ends in ``.onnx``, or in ``.onnx.gz`` with ``"deflate"``. Needs ``darts_tsformers[onnx]``.
    method
        One of these or several, which are done in this order:

        - ``"prune"``: the weights nearest to zero become zero. Smaller once deflated.
        - ``"cluster"``: each matrix gets few different weights. Smaller once deflated.
        - ``"int8"``: weights of 8 bits in place of 32; what they are multiplied with is rounded as it comes.
        - ``"static"``: the same, but the ranges come from windows of ``series``: quicker, for data like them.
        - ``"deflate"``: gzip. :func:`load_session` reads it; it runs as if it had not been deflated.
    series, past_covariates, future_covariates
        Data like those to forecast, for ``"static"``: at most 64 windows, spread over the series.
    share
        Of the weights of each matrix, for ``"prune"``; in [0, 1).
    n_values
        Different weights in each matrix beside zero, for ``"cluster"``; at least 2.

    Returns
    -------
    Compressed
        The file and its size.

    Raises
    ------
    ImportError
        If the packages that write ONNX are missing.
    ValueError
        If a method is unknown or both ways to 8 bits are asked for, the ending of the path does not fit, a number is
        out of range, ``series`` are missing or too short, or ``to_onnx`` refuses the model.

    Notes
    -----
    Prune, cluster and code are the three steps of Han, Mao and Dally, "Deep Compression", ICLR 2016, here without
    training in between.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts.utils.onnx import run_onnx_prediction
    >>> from darts_tsformers import ITransformerModel
    >>> from darts_tsformers.compression import compress, load_session
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    >>> model = ITransformerModel(24, 6, n_encoder_layers=1, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> small = compress(model.fit(series, verbose=False), "model.onnx.gz", ["int8", "deflate"])
    >>> small.ratio > 3
    True
    >>> forecast = run_onnx_prediction(6, load_session("model.onnx.gz"), series, verbose=False)
    >>> bool(np.abs(forecast.values() - model.predict(6, verbose=False).values()).max() < 0.05)
    True
    """
    path = Path(path)
    methods = _ordered(method)
    _check_path(path, methods)
    require_probability(share=share)
    require_at_least(2, n_values=n_values)
    if "static" in methods and series is None:
        raise ValueError("method='static' needs series: windows like those to forecast")
    with TemporaryDirectory() as folder:
        whole = _written(model, Path(folder))
        n_bytes_before = whole.stat().st_size
        steps: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto | None]] = {
            "prune": lambda found: prune(found, share),
            "cluster": lambda found: cluster(found, n_values),
            "int8": quantised,
            "static": lambda found: quantised_for(
                found, list(_windows(whole, series, past_covariates, future_covariates))
            ),
        }
        found = folded(whole)
        for name in methods:
            if name in steps:
                found = steps[name](found) or found
    content = found.SerializeToString()
    if "deflate" in methods:
        content = gzip.compress(content, mtime=0)
    with whole_file(path) as part:
        part.write_bytes(content)
    return Compressed(path, methods, len(content), n_bytes_before)


def _written(model: TSFormerModel | str | PathLike[str], folder: Path) -> Path:
    """Return the file of a model."""
    if isinstance(model, TSFormerModel):
        model.to_onnx(folder / "model.onnx")
        return folder / "model.onnx"
    if not Path(model).is_file():
        raise ValueError(f"model={str(model)!r} must be a fitted model, or an ONNX file")
    return Path(model)


def _ordered(method: str | Sequence[str]) -> tuple[str, ...]:
    given = [method] if isinstance(method, str) else list(method)
    unknown = [one for one in given if one not in METHODS]
    if unknown or not given:
        raise ValueError(f"method={method!r} must be one of {', '.join(METHODS)}, or several of them")
    if {"int8", "static"} <= set(given):
        raise ValueError(f"method={method!r} must have one of int8 and static, not both")
    return tuple(name for name in METHODS if name in given)


def _check_path(path: Path, methods: Sequence[str]) -> None:
    ending = ".onnx" + (DEFLATED if "deflate" in methods else "")
    if not path.name.endswith(ending):
        raise ValueError(f"path={str(path)!r} must end in {ending} for method {', '.join(methods)}")
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"path={str(path)!r} must be a file in a folder that exists")


def _windows(
    path: Path, series: TimeSeries, past_covariates: TimeSeries | None, future_covariates: TimeSeries | None
) -> Iterator[Mapping[str, Any]]:
    """Cut windows out of a series, spread evenly over it: all of each that the file takes."""
    from darts.utils.onnx.inference import OnnxModelSpec, prepare_onnx_inputs

    spec = OnnxModelSpec.from_session(load_session(path))
    longest = len(series) - spec.output_chunk_length if future_covariates is not None else len(series)
    if longest < spec.input_chunk_length:
        needed = spec.input_chunk_length + len(series) - longest
        raise ValueError(f"series must have at least the {needed} steps of a window, not {len(series)}")
    ends = np.unique(np.linspace(spec.input_chunk_length, longest, _MOST_WINDOWS).astype(int))
    for end in ends:
        yield prepare_onnx_inputs(series[: int(end)], spec, past_covariates, future_covariates)
