# Written by `python -m darts_tsformers.stubs`.
from darts_tsformers.diagnosis import diagnose as diagnose
from darts_tsformers.models.aaren import AarenModel as AarenModel
from darts_tsformers.models.autoformer import AutoformerModel as AutoformerModel
from darts_tsformers.models.chimera import ChimeraModel as ChimeraModel
from darts_tsformers.models.fedformer import FEDformerModel as FEDformerModel
from darts_tsformers.models.gpd import GPDModel as GPDModel
from darts_tsformers.models.gpht import GPHTModel as GPHTModel
from darts_tsformers.models.informer import InformerModel as InformerModel
from darts_tsformers.models.itransformer import ITransformerModel as ITransformerModel
from darts_tsformers.models.lmuformer import LMUFormerModel as LMUFormerModel
from darts_tsformers.models.log_sparse import LogSparseTransformerModel as LogSparseTransformerModel
from darts_tsformers.models.mambamixer import MambaMixerModel as MambaMixerModel
from darts_tsformers.models.patchtsmixer import PatchTSMixerModel as PatchTSMixerModel
from darts_tsformers.models.patchtst import PatchTSTModel as PatchTSTModel
from darts_tsformers.models.regenn import ReGENNModel as ReGENNModel
from darts_tsformers.models.smamba import SMambaModel as SMambaModel
from darts_tsformers.models.spacetime import SpaceTimeModel as SpaceTimeModel
from darts_tsformers.models.tft import TemporalFusionTransformerModel as TemporalFusionTransformerModel
from darts_tsformers.models.time_moe import TimeMoEModel as TimeMoEModel
from darts_tsformers.models.tsdiff import TSDiffModel as TSDiffModel
from darts_tsformers.recommendation import recommend as recommend

__version__: str
