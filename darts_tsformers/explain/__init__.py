"""Explanations: what a model looked at and what its forecast rests on, as labelled data, words and pictures."""

from darts_tsformers.explain._explain import explain
from darts_tsformers.explain._reliance import reliance
from darts_tsformers.explain.explanation import Explanation
from darts_tsformers.explain.findings import model_health
from darts_tsformers.explain.measured import Reliance

__all__ = ["Explanation", "Reliance", "explain", "model_health", "reliance"]
