"""A trained Darts model that can be copied and pickled, which Darts' own cannot: they lose the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from darts import TimeSeries
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.models import TSFormerModel

SAMPLING_SEED = 0


class TrainedModel:
    """A Darts model with what is needed to have it again: ``pickle`` and ``deepcopy`` go through its ``save``.

    Attributes
    ----------
    darts
        The trained Darts model, for everything that sktime has no word for.
    exogenous
        Names of the future covariates it was trained with.
    trainer
        Arguments of its Lightning trainer, which Darts does not save.
    """

    def __init__(self, darts: TSFormerModel, exogenous: list[object], trainer: dict[str, Any]) -> None:
        self.darts = darts
        darts._component_names.pop("series", None)  # sktime has columns take their places, whatever their names
        self.exogenous = exogenous
        self.trainer = trainer

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (to_files(self.darts), self.exogenous, self.trainer)

    def lend_weights(self, model: TSFormerModel) -> None:
        """Let another model start from the weights of this one."""
        with TemporaryDirectory() as folder:
            model.load_weights(write_files(to_files(self.darts), folder), trusted=True, map_location="cpu")

    def point(self, n: int, series: list[TimeSeries], covariates: list[TimeSeries] | None) -> list[np.ndarray]:
        """Forecast ``n`` steps of each series: ``(n, C)`` each."""
        return [one.values() for one in self._predict(n, series, covariates)]

    def quantiles(
        self,
        n: int,
        series: list[TimeSeries],
        covariates: list[TimeSeries] | None,
        levels: Sequence[float],
        num_samples: int,
    ) -> list[np.ndarray]:
        """Forecast quantiles of ``n`` steps of each series: ``(n, C, len(levels))`` each.

        Read off the trained quantiles, straight lines between them, where the network gives them for all the steps;
        else off ``num_samples`` sampled paths, the same ones each time.
        """
        likelihood = self.darts.likelihood
        if isinstance(likelihood, QuantileRegression) and self._gives_all(n):
            trained = self._predict(n, series, covariates, predict_likelihood_parameters=True)
            return [_interpolated(one.values(), likelihood.quantiles, levels) for one in trained]
        paths = self._predict(n, series, covariates, num_samples=num_samples, random_state=SAMPLING_SEED)
        return [np.moveaxis(np.quantile(one.all_values(), levels, axis=-1), 0, -1) for one in paths]

    def _gives_all(self, n: int) -> bool:
        """Whether the parameters of the likelihood at all steps come from one pass, none from a value fed back."""
        return n <= self.darts.output_chunk_length and not self.darts.model.forecaster.network.feeds_on_itself

    def _predict(
        self, n: int, series: list[TimeSeries], covariates: list[TimeSeries] | None, **how: Any
    ) -> list[TimeSeries]:
        how = {"random_state": SAMPLING_SEED, "verbose": False, "show_warnings": False} | how
        return self.darts.predict(n, series, future_covariates=covariates, **how)


def to_files(model: TSFormerModel) -> dict[str, bytes]:
    """Return the files that ``save`` writes, without training data, by suffix."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.pt")
        model.save(path, clean=True)
        return {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", ".ckpt")}


def write_files(files: dict[str, bytes], folder: str) -> str:
    """Write what :func:`to_files` returned, and return the path to load it from."""
    path = Path(folder, "model.pt")
    for suffix, content in files.items():
        Path(f"{path}{suffix}").write_bytes(content)
    return str(path)


def _restored(files: dict[str, bytes], exogenous: list[object], trainer: dict[str, Any]) -> TrainedModel:
    # Whoever unpickles trusts the pickle, so what is inside needs no safe loading of its own.
    with TemporaryDirectory() as folder:
        path = write_files(files, folder)
        darts = TSFormerModel.load(path, pl_trainer_kwargs=dict(trainer), trusted=True, map_location="cpu")
    return TrainedModel(darts, exogenous, trainer)


def _interpolated(values: np.ndarray, trained: Sequence[float], levels: Sequence[float]) -> np.ndarray:
    """Read quantiles off trained ones: ``(n, C * Q) -> (n, C, len(levels))``."""
    known = np.sort(values.reshape(len(values), -1, len(trained)), axis=-1)
    return np.apply_along_axis(lambda quantiles: np.interp(levels, trained, quantiles), -1, known)
