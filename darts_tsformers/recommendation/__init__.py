"""Which model, by what was measured."""

from darts_tsformers.recommendation.ranking import Choice, Recommendation, recommend

__all__ = ["Choice", "Recommendation", "recommend"]
