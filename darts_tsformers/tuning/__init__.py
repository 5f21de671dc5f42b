"""Search for the arguments, and the model, that forecast a series best; needs the extra ``darts_tsformers[tune]``."""

from darts_tsformers.adapter.search_space import Options, Range
from darts_tsformers.tuning.result import Tuning
from darts_tsformers.tuning.tune import tune

__all__ = ["Options", "Range", "Tuning", "tune"]
