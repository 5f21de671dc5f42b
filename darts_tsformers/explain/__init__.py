"""Explanations: what a model looked at and what its forecast rests on, as labelled data, words and pictures.

``from darts_tsformers import explain`` imports this package, which is called as its function ``explain``.
"""

import sys
from types import ModuleType
from typing import Any

from darts_tsformers.explain._explain import explain
from darts_tsformers.explain._reliance import reliance
from darts_tsformers.explain.explanation import Explanation
from darts_tsformers.explain.findings import model_health
from darts_tsformers.explain.measured import Reliance

__all__ = ["Explanation", "Reliance", "explain", "model_health", "reliance"]


class _Callable(ModuleType):
    """The package, so that its name in ``darts_tsformers`` does what the function of that name does."""

    def __call__(self, *args: Any, **kwargs: Any) -> Explanation:
        return explain(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
