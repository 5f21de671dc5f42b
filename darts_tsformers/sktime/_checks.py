"""What a forecaster cannot work with, said in the words of its user."""

from collections.abc import Sequence

from darts_tsformers.models import TSFormerModel
from darts_tsformers.sktime._panel import Instance

ROUNDING = 1e-9  # sktime makes quantiles of coverages: 0.9 becomes 0.04999999999999999


def check_columns(given: list[object], trained: list[object]) -> None:
    """Raise ``ValueError`` if exogenous variables are not those of training, in whatever order."""
    if trained and not given:
        raise ValueError(f"X is missing: the model was trained with its columns {trained} and needs them")
    if set(given) != set(trained):
        raise ValueError(f"X has the columns {given}, which must be those that the model was trained with: {trained}")


def check_long_enough_to_train(series: list[Instance], model: TSFormerModel) -> None:
    """Raise ``ValueError`` if no series has a whole window."""
    longest = max(one.length for one in series)
    needed = model.min_input_chunk_length + model.output_chunk_length
    if longest < needed:
        where = "y has" if len(series) == 1 else "the longest instance of y has"
        raise ValueError(
            f"{where} {longest} time steps, which must be at least {needed} to train: {_look_back(model)} and "
            f"output_chunk_length={model.output_chunk_length}"
        )


def check_long_enough_to_forecast(series: list[Instance], model: TSFormerModel) -> None:
    """Raise ``ValueError`` if a series is shorter than what a model must look back on."""
    for one in series:
        if one.length < model.min_input_chunk_length:
            raise ValueError(
                f"{one.name} has {one.length} time steps, which must be at least {_look_back(model)} to be forecast"
            )


def check_learnt(alpha: Sequence[float], quantiles: Sequence[float] | None) -> None:
    """Raise ``ValueError`` if a quantile lies beyond the outermost that were learnt."""
    if quantiles is None:
        return
    least, greatest = min(quantiles) - ROUNDING, max(quantiles) + ROUNDING
    for level in alpha:
        if not least <= level <= greatest:
            raise ValueError(
                f"the quantile {level:g} must lie within the outermost of quantiles={quantiles!r}, which are learnt"
            )


def _look_back(model: TSFormerModel) -> str:
    """Name the argument that says how short a history may be."""
    name = (
        "input_chunk_length" if model.model_params.get("min_input_chunk_length") is None else "min_input_chunk_length"
    )
    return f"{name}={model.min_input_chunk_length}"
