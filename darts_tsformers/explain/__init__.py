"""Explanations: what a model looked at, as labelled data, words and pictures."""

from darts_tsformers.explain._explain import explain
from darts_tsformers.explain.explanation import Explanation
from darts_tsformers.explain.findings import model_health

__all__ = ["Explanation", "explain", "model_health"]
