"""Is this model any good on this series? Figures, and in words what is wrong and what to try."""

from darts_tsformers.diagnosis.diagnosing import Diagnosis, diagnose
from darts_tsformers.diagnosis.figures import Figures

__all__ = ["Diagnosis", "Figures", "diagnose"]
