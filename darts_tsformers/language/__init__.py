"""Language models that others have trained, as parts of networks: built, frozen, and asked by embeddings."""

from darts_tsformers.language.frozen import Frozen
from darts_tsformers.language.loading import language_model, width_of
from darts_tsformers.language.model import LanguageModel

__all__ = ["Frozen", "LanguageModel", "language_model", "width_of"]
