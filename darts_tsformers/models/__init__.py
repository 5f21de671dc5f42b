"""Forecasters: the architectures as Darts models."""

from darts_tsformers.models._base import TSFormerModel
from darts_tsformers.models.autoformer import AutoformerModel
from darts_tsformers.models.fedformer import FEDformerModel
from darts_tsformers.models.informer import InformerModel
from darts_tsformers.models.itransformer import ITransformerModel
from darts_tsformers.models.log_sparse import LogSparseTransformerModel
from darts_tsformers.models.patchtst import PatchTSTModel
from darts_tsformers.models.tft import TemporalFusionTransformerModel

__all__ = [
    "AutoformerModel",
    "FEDformerModel",
    "ITransformerModel",
    "InformerModel",
    "LogSparseTransformerModel",
    "PatchTSTModel",
    "TSFormerModel",
    "TemporalFusionTransformerModel",
]
