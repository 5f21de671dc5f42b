"""The models as sktime forecasters; needs the extra ``darts_tsformers[sktime]``."""

from importlib.util import find_spec

if find_spec("sktime") is None:
    raise ModuleNotFoundError(
        "darts_tsformers.sktime needs sktime, which is not installed: pip install 'darts_tsformers[sktime]'",
        name="sktime",
    )

from darts_tsformers.sktime.autoformer import AutoformerForecaster
from darts_tsformers.sktime.fedformer import FEDformerForecaster
from darts_tsformers.sktime.informer import InformerForecaster
from darts_tsformers.sktime.itransformer import ITransformerForecaster
from darts_tsformers.sktime.log_sparse import LogSparseTransformerForecaster
from darts_tsformers.sktime.patchtst import PatchTSTForecaster
from darts_tsformers.sktime.tft import TemporalFusionTransformerForecaster

__all__ = [
    "AutoformerForecaster",
    "FEDformerForecaster",
    "ITransformerForecaster",
    "InformerForecaster",
    "LogSparseTransformerForecaster",
    "PatchTSTForecaster",
    "TemporalFusionTransformerForecaster",
]
