"""Which model, and which attention mechanism, by what was measured."""

from darts_tsformers.recommendation.mechanisms import Suggestion, suggest_attention
from darts_tsformers.recommendation.ranking import Choice, Recommendation, recommend

__all__ = ["Choice", "Recommendation", "Suggestion", "recommend", "suggest_attention"]
