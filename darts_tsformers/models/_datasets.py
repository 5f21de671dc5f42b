"""Windows to predict from, checked for what no model can do without."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from darts import TimeSeries
from darts.utils.data import SequentialTorchInferenceDataset
from darts.utils.data.torch_datasets.utils import TorchInferenceSample

from darts_tsformers.layers.statics import Category


class ObservedInferenceDataset(SequentialTorchInferenceDataset):
    """Darts' windows for prediction, where a component without any observed value shows its last known level.

    Raises
    ------
    ValueError
        On access, if a future covariate is NaN at a step to forecast; the message names series, component and time.
    """

    def __getitem__(self, index: int) -> TorchInferenceSample:
        """Return one window."""
        sample = super().__getitem__(index)
        if sample.future_covariates is not None and np.isnan(sample.future_covariates).any():
            raise ValueError(self._unknown_future(index, sample))
        blind = np.isnan(sample.past_target).all(axis=0)
        if blind.any():
            series_index, end = self._position(index)
            past = sample.past_target.copy()
            past[0, blind] = last_known(self.series[series_index].values(copy=False)[:end])[blind]
            sample = replace(sample, past_target=past)
        return sample

    def _position(self, index: int) -> tuple[int, int]:
        """Which series a window is of, and where in it the past ends."""
        if self.bounds is None:
            return index, len(self.series[index])
        return self._find_list_index(index, self.cum_lengths, self.bounds, self.stride)

    def _unknown_future(self, index: int, sample: TorchInferenceSample) -> str:
        series_index, _ = self._position(index)
        covariates = self.future_covariates[series_index]
        step, component = np.argwhere(np.isnan(sample.future_covariates))[0]
        time = sample.pred_time + step * covariates.freq
        return (
            f"future_covariates component {covariates.components[component]!r} of series {series_index} is NaN at "
            f"{time}, a step to forecast; future covariates must be known there"
        )


def last_known(values: np.ndarray) -> np.ndarray:
    """Return the last observed value of each component, ``(n, C) -> (C,)``; 0 where there is none."""
    observed = ~np.isnan(values)
    last = len(values) - 1 - observed[::-1].argmax(axis=0)
    return np.where(observed.any(axis=0), values[last, np.arange(values.shape[1])], 0.0).astype(values.dtype)


def resolve_categories(
    sizes: dict[str, int | tuple[int, int]], columns: Sequence[str] | None
) -> list[tuple[int, int, int]]:
    """Find the named categories among the static covariates.

    Returns
    -------
    For each its column, cardinality and width, see :class:`~darts_tsformers.layers.statics.Category`. A cardinality
    alone gets the width ``round(1.6 * cardinality ** 0.56)``, at most 600.

    Raises
    ------
    ValueError
        If a name is not among the static covariates.
    """
    columns = list(columns or ())
    categories = []
    for name, size in sizes.items():
        if name not in columns:
            raise ValueError(
                f"categorical_embedding_sizes names {name!r}, which must be one of the static covariates {columns}"
            )
        cardinality, width = size if isinstance(size, tuple) else (size, min(600, round(1.6 * size**0.56)))
        categories.append((columns.index(name), cardinality, width))
    return categories


def check_categories(series: Sequence[TimeSeries], categories: Sequence[tuple[int, int, int]]) -> None:
    """Raise ``ValueError`` if a code is no category: it names series, static covariate, value and what is allowed."""
    for category in map(Category._make, categories):
        for i, one in enumerate(series):
            static = one.static_covariates
            if static is None:
                continue
            codes = static.iloc[:, category.column].to_numpy(dtype=float)
            bad = ~((codes >= 0) & (codes < category.cardinality) & (codes == np.round(codes)))
            if bad.any():
                raise ValueError(
                    f"static covariate {static.columns[category.column]!r} of series {i} has the category "
                    f"{codes[bad][0]:g}, which must be an integer from 0 to {category.cardinality - 1}; "
                    f"see categorical_embedding_sizes"
                )
