"""The Mamba block, whose parameters have the same names in ``mamba_ssm``, ``mambapy``, ``transformers`` and here."""

from darts_tsformers.layers.recurrent.mamba import MambaBlock
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights

SETTINGS = ("d_model", "d_state", "d_conv", "expand", "dt_rank")


def run(golden: Golden) -> Ours:
    block = with_weights(MambaBlock(**{name: golden.meta[name] for name in SETTINGS}), golden.params)
    return Ours({"y": block(golden.inputs["x"])})


BLOCK = Mapping(systems=("Mamba block",), run=run)
