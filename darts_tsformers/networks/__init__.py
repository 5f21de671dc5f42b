"""Architectures: plain modules from a normalised window to raw outputs. They know nothing of Darts."""

from darts_tsformers.networks._forecaster import Forecaster
from darts_tsformers.networks._network import Network
from darts_tsformers.networks.autoformer import Autoformer
from darts_tsformers.networks.fedformer import FEDformer
from darts_tsformers.networks.informer import Informer
from darts_tsformers.networks.itransformer import ITransformer
from darts_tsformers.networks.log_sparse import LogSparseTransformer
from darts_tsformers.networks.patchtst import PatchTST
from darts_tsformers.networks.tft import TemporalFusionTransformer

__all__ = [
    "Autoformer",
    "FEDformer",
    "Forecaster",
    "ITransformer",
    "Informer",
    "LogSparseTransformer",
    "Network",
    "PatchTST",
    "TemporalFusionTransformer",
]
